package webp_test

import (
	"testing"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/webp"
)

func BenchmarkAppend(b *testing.B) {
	m := planar(imagingtest.Photo(800, 600, 1))
	var out []byte
	b.ReportAllocs()
	b.SetBytes(800 * 600)
	for b.Loop() {
		var err error
		if out, err = webp.Append(out[:0], m, webp.Options{Quality: 75}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(out)), "file-bytes")
}
