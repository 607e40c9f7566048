package ssim_test

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"vitrine/imaging/ssim"
)

func TestWindowsRanksLikeGray(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []image.Point{{64, 48}, {67, 53}, {9, 200}} {
		a, b := image.NewGray(image.Rectangle{Max: size}), image.NewGray(image.Rectangle{Max: size})
		last := 1.0
		if got := ssim.Windows(a, a); got != 1 {
			t.Errorf("%v: SSIM of equal pictures is %.4f", size, got)
		}
		for _, noise := range []float64{2, 6, 15} {
			for i := range a.Pix {
				v := 128 + 50*math.Sin(float64(i%size.X)/5)*math.Cos(float64(i/size.X)/7)
				a.Pix[i] = byte(v)
				b.Pix[i] = byte(min(max(v+noise*random.NormFloat64(), 0), 255))
			}
			got, want := ssim.Windows(a, b), ssim.Gray(a, b)
			if share := (1 - got) / (1 - want); share < 0.4 || share > 1.1 || got >= last {
				t.Errorf("%v with noise of %v: %.4f, %.4f in Gaussian windows", size, noise, got, want)
			}
			last = got
		}
	}
}

// For pictures smaller than a window, Windows returns the same as Gray.
func TestWindowsOfSmallPictures(t *testing.T) {
	t.Parallel()
	a, b := image.NewGray(image.Rect(0, 0, 7, 20)), image.NewGray(image.Rect(0, 0, 7, 20))
	for i := range a.Pix {
		a.Pix[i], b.Pix[i] = byte(i), byte(i*3)
	}
	if got, want := ssim.Windows(a, b), ssim.Gray(a, b); got != want {
		t.Errorf("Windows returns %v, Gray %v", got, want)
	}
}
