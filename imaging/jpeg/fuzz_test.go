package jpeg_test

import (
	"errors"
	"image"
	"testing"

	"vitrine/imaging/jpeg"
)

// FuzzDecode compares any source with image/jpeg at full scale. At other scales, decoding must only end.
func FuzzDecode(f *testing.F) {
	for _, src := range examples() {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<15 || !modest(src) {
			return
		}
		err := judge(t, src)
		for _, scale := range []int{2, 4, 8} {
			m, scaledErr := jpeg.Decode(src, jpeg.Options{Scale: scale})
			// Scale 8 skips scans, whose damage may affect where the next marker is found.
			if err == nil && scaledErr != nil && scale < 8 && !errors.Is(scaledErr, jpeg.ErrUnsupported) {
				t.Fatalf("scale %d: %v, but full scale decodes", scale, scaledErr)
			}
			if err == nil && scaledErr == nil {
				h, _ := jpeg.Inspect(src)
				if got, want := m.Bounds(), image.Rect(0, 0, ceil(h.Width, scale), ceil(h.Height, scale)); got != want {
					t.Fatalf("scale %d: bounds %v, want %v", scale, got, want)
				}
			}
		}
	})
}
