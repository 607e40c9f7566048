package thumbhash_test

import (
	"encoding/base64"
	"image"
	"image/color"
	"image/draw"
	"testing"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/thumbhash"
)

func premultiplied(m image.Image) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	return out
}

// The hashes come from a direct transcription of the published encoder, which was checked against the hashes that its author
// publishes for his pictures.
func TestEncode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		m    image.Image
		want string
	}{
		{"landscape", imagingtest.Photo(32, 24, 1), "36cVRYJ3eIh/h4d3iGeIh3dwZvZ2"},
		{"portrait", imagingtest.Photo(21, 32, 2), "nqcRTQKHh394eIdnd4eHiIdwdvkl"},
		{"square", imagingtest.Graphic(32, 32), "sggKHwa2Z4iPl2d0ZamIeHeHd1BJBpkD"},
		{"transparency", imagingtest.Paletted(imagingtest.Logo(61, 43).SubImage(image.Rect(0, 0, 32, 20))), "nKSBC4Ilk93CSuD14k8e70C5VoykSHs="},
		{"line", imagingtest.Photo(32, 1, 3), "rLVZmZJ3eIiIiAiId4d/d/g="},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := premultiplied(test.m)
			if got := base64.StdEncoding.EncodeToString(thumbhash.Encode(m)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			part := image.NewRGBA(m.Rect.Inset(-3)) // with a stride larger than the row
			draw.Draw(part, m.Rect, m, m.Rect.Min, draw.Src)
			if got := base64.StdEncoding.EncodeToString(thumbhash.Encode(part.SubImage(m.Rect).(*image.RGBA))); got != test.want {
				t.Errorf("got %s for a part, want %s", got, test.want)
			}
		})
	}
}

func TestEncodeFlat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]color.Color{
		"clear": color.Transparent, "black": color.Black, "white": color.White, "red": color.RGBA{255, 0, 0, 255}, "half": color.RGBA{9, 99, 9, 100},
	} {
		for _, size := range []image.Point{{1, 1}, {32, 1}, {1, 32}, {32, 32}} {
			m := image.NewRGBA(image.Rectangle{Max: size})
			draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
			got := thumbhash.Encode(m)
			if len(got) < 5 || len(got) > 25 {
				t.Errorf("%s of %v: %d bytes, want 5 to 25", name, size, len(got))
			}
			if size.X == size.Y && size.X == 32 && got[2]>>2&31 != 0 {
				t.Errorf("%s: hash %x has varying brightness", name, got)
			}
		}
	}
}

func TestMean(t *testing.T) {
	t.Parallel()
	m := image.NewRGBA(image.Rect(0, 0, 3, 1))
	copy(m.Pix, []byte{255, 0, 0, 255, 0, 51, 0, 51, 0, 0, 0, 0})
	if got, want := thumbhash.Mean(m), [3]float64{255. / 306, 51. / 306, 0}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := thumbhash.Mean(image.NewRGBA(image.Rect(0, 0, 2, 2))); got != [3]float64{} {
		t.Errorf("the mean of a transparent picture is %v, want black", got)
	}
}
