package imagingtest_test

import (
	"math"
	"testing"

	"vitrine/imaging/imagingtest"
)

// Some of the pairs that Sharma and others publish with their formula.
func TestCIEDE2000(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		p, q imagingtest.Lab
		want float64
	}{
		{imagingtest.Lab{50, 2.6772, -79.7751}, imagingtest.Lab{50, 0, -82.7485}, 2.0425},
		{imagingtest.Lab{50, -1.3802, -84.2814}, imagingtest.Lab{50, 0, -82.7485}, 1.0000},
		{imagingtest.Lab{50, 0, 0}, imagingtest.Lab{50, -1, 2}, 2.3669},
		{imagingtest.Lab{50, 2.49, -0.001}, imagingtest.Lab{50, -2.49, 0.0009}, 7.1792},
		{imagingtest.Lab{50, 2.49, -0.001}, imagingtest.Lab{50, -2.49, 0.0011}, 7.2195},
		{imagingtest.Lab{50, -0.001, 2.49}, imagingtest.Lab{50, 0.0011, -2.49}, 4.7461},
		{imagingtest.Lab{50, 2.5, 0}, imagingtest.Lab{73, 25, -18}, 27.1492},
		{imagingtest.Lab{60.2574, -34.0099, 36.2677}, imagingtest.Lab{60.4626, -34.1751, 39.4387}, 1.2644},
		{imagingtest.Lab{63.0109, -31.0961, -5.8663}, imagingtest.Lab{62.8187, -29.7946, -4.0864}, 1.2630},
		{imagingtest.Lab{22.7233, 20.0904, -46.6940}, imagingtest.Lab{23.0331, 14.9730, -42.5619}, 2.0373},
		{imagingtest.Lab{90.8027, -2.0831, 1.4410}, imagingtest.Lab{91.1528, -1.6435, 0.0447}, 1.4441},
		{imagingtest.Lab{2.0776, 0.0795, -1.1350}, imagingtest.Lab{0.9033, -0.0636, -0.5514}, 0.9082},
	} {
		for range 2 {
			if got := imagingtest.CIEDE2000(test.p, test.q); math.Abs(got-test.want) > 1e-4 {
				t.Errorf("%v to %v is %.4f, want %.4f", test.p, test.q, got, test.want)
			}
			test.p, test.q = test.q, test.p
		}
	}
}

func TestFromSRGB(t *testing.T) {
	t.Parallel()
	near := func(got, want imagingtest.Lab) bool {
		return math.Abs(got.L-want.L)+math.Abs(got.A-want.A)+math.Abs(got.B-want.B) < 0.03
	}
	for _, test := range []struct {
		r, g, b float64
		want    imagingtest.Lab
	}{
		{255, 255, 255, imagingtest.Lab{100, 0, 0}}, {0, 0, 0, imagingtest.Lab{}}, {255, 0, 0, imagingtest.Lab{53.24, 80.09, 67.20}},
		{0, 0, 255, imagingtest.Lab{32.30, 79.19, -107.86}}, {119, 119, 119, imagingtest.Lab{50.03, 0, 0}},
	} {
		if got := imagingtest.LabFromSRGB(test.r, test.g, test.b); !near(got, test.want) {
			t.Errorf("%v, want %v", got, test.want)
		}
	}
}
