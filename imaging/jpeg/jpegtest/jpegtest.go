// Package jpegtest draws and compares the pictures that the tests of jpeg and jpegenc share. It imports nothing of the project.
package jpegtest

import (
	"image"
	"math"
)

// Texture draws a picture with the features of a photograph: gradients, edges and grain of several sizes.
type Texture struct {
	Side float64 // longer side of the picture in pixels
}

// At returns the value of channel c at a point in pixels, from 0 to 255.
func (t Texture) At(c int, x, y float64) float64 {
	u, v := x/t.Side, y/t.Side
	shift := float64(c) * 1.7
	sky := 120 + 60*math.Sin(3*u+shift)*math.Cos(2*v-shift)
	hill := 0.5 + 0.12*math.Sin(9*u+shift/9) + 0.04*math.Sin(31*u)
	if v > hill {
		sky = 90 + 25*math.Sin(40*u+17*v+shift) + 20*math.Sin(90*v*u+shift)
	}
	if r := math.Hypot(u-0.3, v-0.25); r < 0.08 {
		sky += 70 - 500*r
	}
	if c == 0 {
		sky += grain(int(x), int(y), 18) + grain(int(x)/3, int(y)/3, 14)
	}
	return min(max(sky, 0), 255)
}

// grain returns noise from -amount to amount that depends on the position only.
func grain(x, y, amount int) float64 {
	h := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca6b
	h = (h ^ h>>15) * 0x2c1b3c6d
	h = (h ^ h>>12) * 0x297a2d39
	return float64(int(h>>8)%(2*amount+1) - amount)
}

// Photograph returns a 4:2:0 picture of the texture.
func Photograph(w, h int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	t := Texture{float64(max(w, h))}
	for y := range h {
		for x := range w {
			m.Y[y*m.YStride+x] = uint8(t.At(0, float64(x), float64(y)))
		}
	}
	for y := range (h + 1) / 2 {
		for x := range (w + 1) / 2 {
			m.Cb[y*m.CStride+x] = uint8(t.At(1, float64(2*x), float64(2*y)))
			m.Cr[y*m.CStride+x] = uint8(t.At(2, float64(2*x), float64(2*y)))
		}
	}
	return m
}

// GrayPhotograph returns the luma of Photograph.
func GrayPhotograph(w, h int) *image.Gray {
	m := Photograph(w, h)
	return &image.Gray{Pix: m.Y, Stride: m.YStride, Rect: m.Rect}
}

// SamePixels reports whether two pictures have the same type, bounds, subsampling and visible samples.
func SamePixels(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	r := a.Bounds()
	switch a := a.(type) {
	case *image.Gray:
		b, ok := b.(*image.Gray)
		return ok && samePlane(a.Pix, a.Stride, b.Pix, b.Stride, r.Dx(), r.Dy())
	case *image.YCbCr:
		b, ok := b.(*image.YCbCr)
		if !ok || a.SubsampleRatio != b.SubsampleRatio {
			return false
		}
		last := r.Max.Sub(image.Pt(1, 1))
		chroma := a.COffset(last.X, last.Y)
		w, h := chroma%a.CStride+1, chroma/a.CStride+1
		return samePlane(a.Y, a.YStride, b.Y, b.YStride, r.Dx(), r.Dy()) &&
			samePlane(a.Cb, a.CStride, b.Cb, b.CStride, w, h) &&
			samePlane(a.Cr, a.CStride, b.Cr, b.CStride, w, h)
	}
	return false
}

func samePlane(a []byte, aStride int, b []byte, bStride, w, h int) bool {
	for y := range h {
		if string(a[y*aStride:][:w]) != string(b[y*bStride:][:w]) {
			return false
		}
	}
	return true
}
