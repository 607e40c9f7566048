package jpeg_test

import (
	"bytes"
	"errors"
	"image"
	"slices"
	"strings"
	"testing"

	"vitrine/imaging/jpeg"
	"vitrine/imaging/jpeg/jpegtest"
)

// whole decodes in bands and assembles them.
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

// trash overwrites a band, to show that the decoder doesn't depend on its contents afterwards.
func trash(pix []byte) {
	for i := range pix {
		pix[i] = 77
	}
}

func TestBandsEqualDecode(t *testing.T) {
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
						if err != nil || !jpegtest.SamePixels(want, got) {
							t.Errorf("%v at scale %d: the pixels differ from those of Decode (%v)", size, scale, err)
						}
					}
				}
			})
		}
	}
}

// A plane without a scan is black, even if the decoder reuses memory.
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
			t.Error("chroma is not zero, but the file has none")
		}
		return nil
	})
	if err != nil || bands != 2 {
		t.Errorf("%d bands (%v)", bands, err)
	}
}

func TestBandsReturnErrors(t *testing.T) {
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
				t.Errorf("%s: the first %d %% of the file: error %v, want %v", name, percent, err, want)
			}
		}
	}
}

// Each scan is decoded with the tables in force at its position in the file, although all scans advance together.
func TestBandsUseTablesOfEachScan(t *testing.T) {
	t.Parallel()
	quant := func(v byte) string { return "\x00" + strings.Repeat(string(rune(v)), 64) }
	wrong := "\x02" + strings.Repeat("\x00", 15) + "\x01\x02" // two codes of one bit
	changes := slices.Concat(marked(0xdb, quant(3)), marked(0xdb, quant(9)), marked(0xdd, "\x00\x02"),
		marked(0xc4, "\x00"+wrong), marked(0xc4, "\x10"+wrong))
	restored := slices.Concat(marked(0xdd, "\x00\x00"), marked(0xc4, "\x00"+string(craftTable)), marked(0xc4, "\x10"+string(craftTable)))
	for mode, m := range modes {
		c := craft{width: 67, height: 45, sampling: samplings["420"], marker: m.marker, quant: m.quant, scans: m.script(3)}
		src := c.encode()
		var changed []byte
		for i, part := range bytes.SplitAfter(src[:len(src)-2], []byte{0xff, 0xda}) {
			if i > 0 {
				changed = slices.Concat(changed[:len(changed)-2], changes, restored, []byte{0xff, 0xda})
			}
			changed = append(changed, part...)
		}
		if err := judge(t, slices.Concat(changed, changes, []byte{0xff, 0xd9})); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// A file with more tables than the limit is unsupported. Tables that no scan uses do not count.
func TestBandsLimitTables(t *testing.T) {
	t.Parallel()
	table := slices.Concat(marked(0xc4, "\x00"+string(craftTable)), marked(0xc4, "\x10"+string(craftTable)))
	for scans, want := range map[int]error{90: nil, 130: jpeg.ErrUnsupported} {
		c := craft{width: 30, height: 20, sampling: samplings["gray"], marker: 0xc2, quant: 9, scans: []craftScan{{comps: []int{0}}}}
		for range scans {
			c.scans = append(c.scans, craftScan{[]int{0}, 1, 63, 0, 0})
		}
		sos := []byte{0xff, 0xda}
		src := bytes.ReplaceAll(c.encode(), sos, slices.Concat(table, table, table, sos))
		if _, err := jpeg.Decode(src, jpeg.Options{MaxPasses: 1000}); !errors.Is(err, want) {
			t.Errorf("%d scans with separate tables: %v, want %v", scans, err, want)
		}
	}
}
