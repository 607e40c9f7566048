package dct_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vitrine/imaging/jpeg/dct"
)

// direct returns the coefficients of samples by the definition (T.81 A.3.3).
func direct(samples *[64]byte) (out [64]float64) {
	for k := range out {
		u, v := k%8, k/8
		for i, s := range samples {
			x, y := float64(i%8), float64(i/8)
			out[k] += (float64(s) - 128) / 4 * math.Cos((2*x+1)*float64(u)*math.Pi/16) * math.Cos((2*y+1)*float64(v)*math.Pi/16)
		}
		if u == 0 {
			out[k] /= math.Sqrt2
		}
		if v == 0 {
			out[k] /= math.Sqrt2
		}
	}
	return out
}

// Forward returns eight times the coefficients of the definition, and the inverse transforms restore the samples or their
// means.
func TestTransforms(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var samples [64]byte
		var b dct.Block
		sum := 0
		for i := range samples {
			samples[i] = byte(64 + r.IntN(128))
			b[i] = int32(samples[i])
			sum += int(samples[i])
		}
		dct.Forward(&b)
		for k, want := range direct(&samples) {
			if got := float64(b[k]) / 8; math.Abs(got-want) > 0.2 {
				t.Fatalf("coefficient %d is %.2f, want %.2f", k, got, want)
			}
			b[k] = (b[k] + 4) >> 3
		}
		var mean, restored [64]byte
		dct.Inverse1(&b, mean[:])
		if d := float64(mean[0]) - float64(sum)/64; math.Abs(d) > 1 {
			t.Errorf("Inverse1 returns %d, want %.1f", mean[0], float64(sum)/64)
		}
		dct.Inverse(&b, ^uint64(1), restored[:], 8)
		for i, want := range samples {
			if d := int(restored[i]) - int(want); d < -2 || d > 2 {
				t.Fatalf("sample %d is %d, want %d", i, restored[i], want)
			}
		}
		for k, v := range b[1:] {
			if v != 0 {
				t.Fatalf("Inverse leaves coefficient %d at %d", k+1, v)
			}
		}
	}
}

// The smaller transforms return the values of a ramp at their points and leave the coefficients zero.
func TestScaledTransforms(t *testing.T) {
	t.Parallel()
	ramp := func() (b dct.Block) {
		for i := range b {
			b[i] = int32(60 + 8*(i%8) + 5*(i/8))
		}
		dct.Forward(&b)
		for k := range b {
			b[k] = (b[k] + 4) >> 3
		}
		return b
	}
	for _, side := range []int{2, 4} {
		b, dst := ramp(), make([]byte, 64)
		inverse := dct.Inverse4
		if side == 2 {
			inverse = dct.Inverse2
		}
		inverse(&b, ^uint64(1), dst, 8)
		n := float64(8 / side)
		for y := range side {
			for x := range side {
				want := 60 + 8*(n*float64(x)+(n-1)/2) + 5*(n*float64(y)+(n-1)/2)
				if got := float64(dst[8*y+x]); math.Abs(got-want) > 4 { // higher frequencies of the ramp are missing
					t.Errorf("side %d: sample %d,%d is %.0f, want %.1f", side, x, y, got, want)
				}
			}
		}
		if b != (dct.Block{}) {
			t.Errorf("side %d: the block is not cleared", side)
		}
	}
}
