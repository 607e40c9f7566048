package deltae_test

import (
	"math"
	"testing"

	"vitrine/imaging/deltae"
)

// Some of the pairs that Sharma and others publish with their formula.
func TestCIEDE2000(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		p, q deltae.Lab
		want float64
	}{
		{deltae.Lab{50, 2.6772, -79.7751}, deltae.Lab{50, 0, -82.7485}, 2.0425},
		{deltae.Lab{50, -1.3802, -84.2814}, deltae.Lab{50, 0, -82.7485}, 1.0000},
		{deltae.Lab{50, 0, 0}, deltae.Lab{50, -1, 2}, 2.3669},
		{deltae.Lab{50, 2.49, -0.001}, deltae.Lab{50, -2.49, 0.0009}, 7.1792},
		{deltae.Lab{50, 2.49, -0.001}, deltae.Lab{50, -2.49, 0.0011}, 7.2195},
		{deltae.Lab{50, -0.001, 2.49}, deltae.Lab{50, 0.0011, -2.49}, 4.7461},
		{deltae.Lab{50, 2.5, 0}, deltae.Lab{73, 25, -18}, 27.1492},
		{deltae.Lab{60.2574, -34.0099, 36.2677}, deltae.Lab{60.4626, -34.1751, 39.4387}, 1.2644},
		{deltae.Lab{63.0109, -31.0961, -5.8663}, deltae.Lab{62.8187, -29.7946, -4.0864}, 1.2630},
		{deltae.Lab{22.7233, 20.0904, -46.6940}, deltae.Lab{23.0331, 14.9730, -42.5619}, 2.0373},
		{deltae.Lab{90.8027, -2.0831, 1.4410}, deltae.Lab{91.1528, -1.6435, 0.0447}, 1.4441},
		{deltae.Lab{2.0776, 0.0795, -1.1350}, deltae.Lab{0.9033, -0.0636, -0.5514}, 0.9082},
	} {
		for range 2 {
			if got := deltae.CIEDE2000(test.p, test.q); math.Abs(got-test.want) > 1e-4 {
				t.Errorf("%v to %v is %.4f, want %.4f", test.p, test.q, got, test.want)
			}
			test.p, test.q = test.q, test.p
		}
	}
}

func TestFromSRGB(t *testing.T) {
	t.Parallel()
	near := func(got, want deltae.Lab) bool {
		return math.Abs(got.L-want.L)+math.Abs(got.A-want.A)+math.Abs(got.B-want.B) < 0.03
	}
	for _, test := range []struct {
		r, g, b float64
		want    deltae.Lab
	}{
		{255, 255, 255, deltae.Lab{100, 0, 0}}, {0, 0, 0, deltae.Lab{}}, {255, 0, 0, deltae.Lab{53.24, 80.09, 67.20}},
		{0, 0, 255, deltae.Lab{32.30, 79.19, -107.86}}, {119, 119, 119, deltae.Lab{50.03, 0, 0}},
	} {
		if got := deltae.FromSRGB(test.r, test.g, test.b); !near(got, test.want) {
			t.Errorf("%v, want %v", got, test.want)
		}
	}
}
