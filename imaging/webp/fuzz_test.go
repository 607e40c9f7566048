package webp_test

import (
	"bytes"
	"errors"
	"image"
	"testing"

	xwebp "golang.org/x/image/webp"

	"vitrine/imaging/webp"
)

// FuzzAppend encodes arbitrary pixels and decodes the file. Encoding must not panic, and may fail only for lossless files.
// The file must decode with the same transparency.
func FuzzAppend(f *testing.F) {
	f.Add([]byte{0}, uint16(1), uint16(1), uint8(75), uint8(0))
	f.Add([]byte{0, 255, 3, 9, 77}, uint16(33), uint16(17), uint8(100), uint8(1))
	f.Add([]byte("\xff\x00\xff\x00\x80"), uint16(64), uint16(16), uint8(1), uint8(2))
	f.Add([]byte("\x00\x01\x02\x03\xfe\xff"), uint16(5), uint16(90), uint8(95), uint8(3))
	f.Add([]byte{0}, uint16(0), uint16(0), uint8(95), uint8(3))
	f.Fuzz(func(t *testing.T, pixels []byte, width, height uint16, quality, kind uint8) {
		w, h := 1+int(width)%200, 1+int(height)%200
		bounds := image.Rect(0, 0, w, h)
		fill := func(dst []byte, salt int) {
			for i := range dst {
				if len(pixels) > 0 {
					dst[i] = pixels[(i*(1+salt)+i/97)%len(pixels)]
				}
			}
		}
		var m image.Image
		var rgba *image.RGBA
		switch kind % 4 {
		case 0:
			gray := image.NewGray(bounds)
			fill(gray.Pix, 0)
			m = gray
		case 1, 2:
			ratio := image.YCbCrSubsampleRatio420
			if kind%4 == 2 {
				ratio = image.YCbCrSubsampleRatio444
			}
			planar := image.NewYCbCr(bounds, ratio)
			fill(planar.Y, 0)
			fill(planar.Cb, 1)
			fill(planar.Cr, 2)
			m = planar
		case 3:
			rgba = image.NewRGBA(bounds)
			fill(rgba.Pix, 0)
			for i := 0; i < len(rgba.Pix); i += 4 {
				for k := range 3 {
					rgba.Pix[i+k] = min(rgba.Pix[i+k], rgba.Pix[i+3])
				}
			}
			m = rgba
		}
		file, err := webp.Append(nil, m, webp.Options{Quality: int(quality)%100 + 1, Lossless: kind&4 != 0})
		if errors.Is(err, webp.ErrLossless) && kind&4 != 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := xwebp.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds() != bounds {
			t.Fatalf("%v became %v", bounds, got.Bounds())
		}
		for i := 3; rgba != nil && i < len(rgba.Pix); i += 4 {
			if _, _, _, a := got.At(i/4%w, i/4/w).RGBA(); uint8(a>>8) != rgba.Pix[i] {
				t.Fatalf("alpha %d became %d", rgba.Pix[i], a>>8)
			}
		}
	})
}
