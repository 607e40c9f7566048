package jpegenc_test

import (
	"bytes"
	stdjpeg "image/jpeg"
	"testing"

	"vitrine/imaging/jpeg/jpegenc"
	"vitrine/imaging/jpeg/jpegtest"
)

var benchSizes = []struct {
	name          string
	width, height int
}{{"12MP", 4000, 3000}, {"3MP", 2048, 1536}, {"0.5MP", 800, 600}}

func BenchmarkEncode(b *testing.B) {
	for _, size := range benchSizes {
		m := jpegtest.Photograph(size.width, size.height)
		b.Run(size.name+"/std", func(b *testing.B) {
			for b.Loop() {
				var out bytes.Buffer
				if err := stdjpeg.Encode(&out, m, &stdjpeg.Options{Quality: 80}); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, optimize := range []bool{false, true} {
			name := size.name + "/ours"
			if optimize {
				name += "/optimized"
			}
			b.Run(name, func(b *testing.B) {
				var out []byte
				for b.Loop() {
					var err error
					if out, err = jpegenc.Append(out[:0], m, jpegenc.Options{Quality: 80, Optimize: optimize}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
