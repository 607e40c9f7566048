package main

import (
	"image"
	"math"
	"testing"

	"vitrine/imaging/ssim"
)

// waves returns a picture that can be computed exactly at any size: two waves across and
// down.
func waves(w, h int) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		u, v := (float64(i%w)+0.5)/float64(w), (float64(i/w)+0.5)/float64(h)
		m.Pix[i] = byte(128 + 100*math.Sin(20*u)*math.Cos(14*v) + 0.5)
	}
	return m
}

func TestScaledMatchesTheSmallerPicture(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{200, 150}, {333, 77}, {600, 401}, {601, 402}} {
		got, want := scaled(waves(601, 402), size), waves(size.X, size.Y)
		if index := ssim.Gray(got, want); index < 0.995 {
			t.Errorf("%v: SSIM %.5f", size, index)
		}
	}
}

func TestXImageFit(t *testing.T) {
	t.Parallel()
	for from, want := range map[image.Point]image.Point{
		{4000, 3000}: {800, 600}, {3000, 4000}: {600, 800}, {100, 50}: {100, 50}, {5000, 1}: {800, 1},
	} {
		if got := fit(from, 800).Size(); got != want {
			t.Errorf("%v became %v, want %v", from, got, want)
		}
	}
}
