package jpeg_test

import (
	"bytes"
	"errors"
	"image"
	"testing"

	"vitrine/imaging/jpeg"
)

// whole puts bands together.
func whole(t *testing.T, src []byte, o jpeg.Options) (image.Image, error) {
	t.Helper()
	var gray *image.Gray
	var colour *image.YCbCr
	next := 0
	err := jpeg.Bands(src, o, func(band image.Image) error {
		h, err := jpeg.Inspect(src)
		if err != nil {
			t.Fatal(err)
		}
		all := image.Rect(0, 0, ceil(h.Width, max(o.Scale, 1)), ceil(h.Height, max(o.Scale, 1)))
		b := band.Bounds()
		if b.Min.X != 0 || b.Max.X != all.Max.X || b.Min.Y != next || b.Empty() || !b.In(all) {
			t.Fatalf("band %v of %v after row %d", b, all, next)
		}
		next = b.Max.Y
		switch m := band.(type) {
		case *image.Gray:
			if gray == nil {
				gray = image.NewGray(all)
			}
			for y := b.Min.Y; y < b.Max.Y; y++ {
				copy(gray.Pix[y*gray.Stride:][:gray.Stride], m.Pix[m.PixOffset(0, y):])
			}
			trash(m.Pix)
		case *image.YCbCr:
			if colour == nil {
				colour = image.NewYCbCr(all, m.SubsampleRatio)
			}
			for y := b.Min.Y; y < b.Max.Y; y++ {
				copy(colour.Y[y*colour.YStride:][:colour.YStride], m.Y[m.YOffset(0, y):])
				copy(colour.Cb[colour.COffset(0, y):][:colour.CStride], m.Cb[m.COffset(0, y):])
				copy(colour.Cr[colour.COffset(0, y):][:colour.CStride], m.Cr[m.COffset(0, y):])
			}
		}
		return nil
	})
	if gray != nil {
		return gray, err
	}
	return colour, err
}

// trash shows that the decoder relies on nothing that was left in a band.
func trash(pix []byte) {
	for i := range pix {
		pix[i] = 77
	}
}

func TestBandsMakeThePicture(t *testing.T) {
	t.Parallel()
	for name, sampling := range samplings {
		for mode, m := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				for _, size := range []image.Point{{1, 1}, {33, 15}, {67, 95}} {
					c := craft{
						width: size.X, height: size.Y, sampling: sampling, marker: m.marker, quant: m.quant,
						scans: m.script(len(sampling)), restart: size.X % 4, grouped: true,
					}
					src := c.encode()
					for _, scale := range []int{0, 1, 2, 4, 8} {
						o := jpeg.Options{Scale: scale}
						want, err := jpeg.Decode(src, o)
						if err != nil {
							t.Fatal(err)
						}
						got, err := whole(t, src, o)
						if err != nil || !samePixels(want, got) {
							t.Errorf("%v at scale %d: the pixels differ from those of Decode (%v)", size, scale, err)
						}
					}
				}
			})
		}
	}
}

// Planes that no scan brings are black, whatever the memory held before.
func TestBandsOfMissingScans(t *testing.T) {
	t.Parallel()
	var d jpeg.Decoder
	full := craft{width: 40, height: 30, sampling: samplings["420"], marker: 0xc0, quant: 4, scans: apart(3)}
	if err := d.Bands(full.encode(), jpeg.Options{}, func(image.Image) error { return nil }); err != nil {
		t.Fatal(err)
	}
	full.scans = apart(3)[:1]
	bands := 0
	err := d.Bands(full.encode(), jpeg.Options{}, func(band image.Image) error {
		bands++
		m := band.(*image.YCbCr)
		if bytes.Count(m.Cb, []byte{0}) < len(m.Cb) || bytes.Count(m.Cr, []byte{0}) < len(m.Cr) {
			t.Error("there is chroma that is not in the file")
		}
		return nil
	})
	if err != nil || bands != 2 {
		t.Errorf("%d bands (%v)", bands, err)
	}
}

func TestBandsFail(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for name, src := range examples() {
		bands := 0
		err := jpeg.Bands(src, jpeg.Options{}, func(image.Image) error { bands++; return enough })
		if !errors.Is(err, enough) || bands != 1 {
			t.Errorf("%s: %d bands after an error (%v)", name, bands, err)
		}
		for percent := 0; percent < 100; percent += 5 {
			part := src[:len(src)*percent/100]
			_, want := jpeg.Decode(part, jpeg.Options{})
			if err := jpeg.Bands(part, jpeg.Options{}, func(image.Image) error { return nil }); err == nil || err.Error() != want.Error() {
				t.Errorf("%s: %d %% of it give %v, want %v", name, percent, err, want)
			}
		}
	}
}
