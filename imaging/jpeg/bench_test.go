package jpeg_test

import (
	"bytes"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"testing"

	"vitrine/imaging/jpeg"
	"vitrine/imaging/jpeg/jpegenc"
	"vitrine/imaging/jpeg/jpegtest"
)

var benchSizes = []struct {
	name          string
	width, height int
}{{"12MP", 4000, 3000}, {"3MP", 2048, 1536}, {"0.5MP", 800, 600}}

func BenchmarkDecode(b *testing.B) {
	for _, size := range benchSizes {
		src, err := jpegenc.Append(nil, jpegtest.Photograph(size.width, size.height), jpegenc.Options{Quality: 85})
		if err != nil {
			b.Fatal(err)
		}
		benchDecode(b, size.name, src)
	}
	c := craft{width: 1600, height: 1200, sampling: samplings["420"], marker: 0xc2, quant: 16, scans: progression(3)}
	benchDecode(b, "progressive2MP", c.encode())
}

func benchDecode(b *testing.B, name string, src []byte) {
	b.Run(name+"/std", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := stdjpeg.Decode(bytes.NewReader(src)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, scale := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("%s/scale%d", name, scale), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jpeg.Decode(src, jpeg.Options{Scale: scale}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%s/scale%d/bands", name, scale), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := jpeg.Bands(src, jpeg.Options{Scale: scale}, func(image.Image) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
