package resize_test

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/draw"

	"vitrine/imaging/resize"
)

// noise returns samples similar to their neighbours, as in a photograph, with hard edges in between.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	pix := make([]byte, n)
	level := 128
	for i := range pix {
		level += r.IntN(31) - 15
		if r.IntN(40) == 0 {
			level = r.IntN(256)
		}
		level = min(max(level, 0), 255)
		pix[i] = byte(level)
	}
	return pix
}

func difference(a, b []byte) (mean float64, largest int) {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		sum += d
		largest = max(largest, d)
	}
	return float64(sum) / float64(len(a)), largest
}

var sizes = []struct{ w, h, dw, dh int }{
	{64, 48, 32, 24}, {401, 299, 200, 149}, {97, 33, 11, 31}, {31, 200, 31, 7},
	{1600, 30, 800, 15}, {9, 9, 9, 1}, {7, 5, 1, 1}, {640, 480, 39, 29}, {20, 20, 30, 40},
}

func TestScaleAgreesWithXImage(t *testing.T) {
	t.Parallel()
	for _, s := range sizes {
		t.Run(fmt.Sprintf("%dx%d to %dx%d", s.w, s.h, s.dw, s.dh), func(t *testing.T) {
			t.Parallel()
			gray := &image.Gray{Pix: noise(s.w*s.h, 1), Stride: s.w, Rect: image.Rect(0, 0, s.w, s.h)}
			want := image.NewRGBA(image.Rect(0, 0, s.dw, s.dh))
			draw.CatmullRom.Scale(want, want.Rect, gray, gray.Rect, draw.Src, nil)
			wantGray := make([]byte, s.dw*s.dh)
			for i := range wantGray {
				wantGray[i] = want.Pix[4*i]
			}
			got := make([]byte, s.dw*s.dh)
			resize.Scale(got, s.dw, resize.Plane(gray.Pix, s.w, s.w, s.h, 1), resize.Fit(s.dw, s.w), resize.Fit(s.dh, s.h))
			if mean, largest := difference(got, wantGray); mean > 0.35 || largest > 2 {
				t.Errorf("gray differs by %.3f on average and by up to %d", mean, largest)
			}

			rgba := &image.RGBA{Pix: noise(4*s.w*s.h, 2), Stride: 4 * s.w, Rect: gray.Rect}
			for i := 0; i < len(rgba.Pix); i += 4 {
				a := rgba.Pix[i+3]
				for c := range 3 {
					rgba.Pix[i+c] = min(rgba.Pix[i+c], a)
				}
			}
			draw.CatmullRom.Scale(want, want.Rect, rgba, rgba.Rect, draw.Src, nil)
			got = make([]byte, 4*s.dw*s.dh)
			resize.Scale(got, 4*s.dw, resize.Plane(rgba.Pix, rgba.Stride, s.w, s.h, 4), resize.Fit(s.dw, s.w), resize.Fit(s.dh, s.h))
			if mean, largest := difference(got, want.Pix); mean > 0.35 || largest > 2 {
				t.Errorf("rgba differs by %.3f on average and by up to %d", mean, largest)
			}
		})
	}
}

func TestScaleFlatPicture(t *testing.T) {
	t.Parallel()
	for _, level := range []byte{0, 1, 127, 254, 255} {
		src := make([]byte, 333*77)
		for i := range src {
			src[i] = level
		}
		got := make([]byte, 100*50)
		resize.Scale(got, 100, resize.Plane(src, 333, 333, 77, 1), resize.Fit(100, 333), resize.Fit(50, 77))
		for i, v := range got {
			if v != level {
				t.Fatalf("sample %d of a picture of %d is %d", i, level, v)
			}
		}
	}
}

func TestScaleToSameSizeCopies(t *testing.T) {
	t.Parallel()
	src := noise(50*40, 3)
	got := make([]byte, 50*40)
	resize.Scale(got, 50, resize.Plane(src, 50, 50, 40, 1), resize.Fit(50, 50), resize.Fit(40, 40))
	if mean, _ := difference(got, src); mean != 0 {
		t.Errorf("differs by %.3f on average", mean)
	}
	// An axis shifted by one sample selects the next sample.
	x := resize.Axis{Dst: 49, Src: 50, Scale: 1, Offset: 1}
	resize.Scale(got, 49, resize.Plane(src, 50, 50, 40, 1), x, resize.Fit(40, 40))
	for y := range 40 {
		for c := range 49 {
			if got[y*49+c] != src[y*50+c+1] {
				t.Fatalf("sample %d,%d is %d, want %d", c, y, got[y*49+c], src[y*50+c+1])
			}
		}
	}
}

func TestScaleReadsEachRowOnceFromTop(t *testing.T) {
	t.Parallel()
	src := noise(40*90, 4)
	last := -1
	source := resize.Source{Width: 40, Height: 90, Channels: 1, Row: func(y int, buf []byte) []byte {
		if y <= last {
			t.Errorf("row %d is read after row %d", y, last)
		}
		last = y
		return buf[:copy(buf, src[40*y:40*y+40])]
	}}
	got, want := make([]byte, 13*29), make([]byte, 13*29)
	resize.Scale(got, 13, source, resize.Fit(13, 40), resize.Fit(29, 90))
	resize.Scale(want, 13, resize.Plane(src, 40, 40, 90, 1), resize.Fit(13, 40), resize.Fit(29, 90))
	if mean, _ := difference(got, want); mean != 0 {
		t.Errorf("rows in the buffer and rows of the picture differ by %.3f on average", mean)
	}
	if last != 89 {
		t.Errorf("the last row read is %d, want 89", last)
	}
}

// Vector and plain code return the same pixels for every kind of edge and width of window, if the build has vectors.
func TestVectorsEqualPlain(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 13))
	for i := range 400 {
		w, h := 1+r.IntN(300), 1+r.IntN(60)
		x, y := resize.Fit(1+r.IntN(w), w), resize.Fit(1+r.IntN(h), h)
		if i%3 == 0 {
			x.Kernel, y.Kernel = resize.Lanczos, resize.Lanczos
		}
		if i%5 == 0 {
			x.Offset, y.Offset = r.Float64()*2-1, r.Float64()*2-1
		}
		src := noise(w*h, uint64(i))
		if i%4 == 0 { // the largest overshoot
			for k := range src {
				src[k] = byte(255 * r.IntN(2))
			}
		}
		got, want := make([]byte, x.Dst*y.Dst), make([]byte, x.Dst*y.Dst)
		resize.Scale(got, x.Dst, resize.Plane(src, w, w, h, 1), x, y)
		resize.ScalePlain(want, x.Dst, resize.Plane(src, w, w, h, 1), x, y)
		if !bytes.Equal(got, want) {
			mean, largest := difference(got, want)
			t.Fatalf("%dx%d to %dx%d differs by %.3f on average and by up to %d", w, h, x.Dst, y.Dst, mean, largest)
		}
	}
}

// BenchmarkScale compares this package with x/image for scaling 12 megapixels to 1600 pixels. A 4:2:0 photograph takes one
// and a half planes here, and all of RGBA in x/image.
func BenchmarkScale(b *testing.B) {
	const w, h, dw, dh = 4000, 3000, 1600, 1200
	gray := &image.Gray{Pix: noise(w*h, 1), Stride: w, Rect: image.Rect(0, 0, w, h)}
	rgba := &image.RGBA{Pix: noise(4*w*h, 2), Stride: 4 * w, Rect: gray.Rect}
	chroma := image.NewYCbCr(gray.Rect, image.YCbCrSubsampleRatio420)
	out := image.NewRGBA(image.Rect(0, 0, dw, dh))
	plane := make([]byte, dw*dh)
	b.Run("plane", func(b *testing.B) {
		for b.Loop() {
			resize.Scale(plane, dw, resize.Plane(gray.Pix, w, w, h, 1), resize.Fit(dw, w), resize.Fit(dh, h))
		}
	})
	b.Run("plane without vectors", func(b *testing.B) {
		for b.Loop() {
			resize.ScalePlain(plane, dw, resize.Plane(gray.Pix, w, w, h, 1), resize.Fit(dw, w), resize.Fit(dh, h))
		}
	})
	b.Run("rgba", func(b *testing.B) {
		for b.Loop() {
			resize.Scale(out.Pix, out.Stride, resize.Plane(rgba.Pix, rgba.Stride, w, h, 4), resize.Fit(dw, w), resize.Fit(dh, h))
		}
	})
	b.Run("x/image rgba", func(b *testing.B) {
		for b.Loop() {
			draw.CatmullRom.Scale(out, out.Rect, rgba, rgba.Rect, draw.Src, nil)
		}
	})
	b.Run("x/image ycbcr", func(b *testing.B) {
		for b.Loop() {
			draw.CatmullRom.Scale(out, out.Rect, chroma, chroma.Rect, draw.Src, nil)
		}
	})
}

// A Scaler writes the same samples as Scale, even if the memory of each row is reused at once.
func TestScalerEqualsScale(t *testing.T) {
	t.Parallel()
	for _, s := range append(sizes, struct{ w, h, dw, dh int }{50, 40, 50, 40}) {
		for _, channels := range []int{1, 4} {
			src := noise(s.w*s.h*channels, 5)
			if channels == 4 {
				for i := 3; i < len(src); i += 4 {
					src[i] = 255
				}
			}
			x, y := resize.Fit(s.dw, s.w), resize.Fit(s.dh, s.h)
			x.Kernel, y.Kernel = resize.Lanczos, resize.Lanczos
			stride := s.dw*channels + 3
			got, want := make([]byte, stride*s.dh), make([]byte, stride*s.dh)
			resize.Scale(want, stride, resize.Plane(src, s.w*channels, s.w, s.h, channels), x, y)
			scaler := resize.NewScaler(got, stride, channels, x, y)
			row := make([]byte, s.w*channels)
			for i := range s.h {
				copy(row, src[i*len(row):])
				scaler.Write(row)
				clear(row)
			}
			scaler.Write(row) // an extra row is ignored
			scaler.Close()
			if !bytes.Equal(got, want) {
				t.Errorf("%v, %d channels: the samples differ", s, channels)
			}
		}
	}
}
