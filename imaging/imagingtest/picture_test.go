package imagingtest_test

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"testing"

	_ "golang.org/x/image/webp"

	"vitrine/imaging/imagingtest"
)

func TestFilesAreDecodableAndTheSameEveryTime(t *testing.T) {
	t.Parallel()
	files := func() map[string][]byte {
		photo := imagingtest.Photo(61, 43, 9)
		return map[string][]byte{
			"jpeg": imagingtest.JPEG(photo, 80, 6),
			"progressive jpeg": imagingtest.RareJPEG(photo, imagingtest.Coding{
				Progressive: true, Sampling: []byte{0x22, 0x11, 0x11}, Transform: -1}),
			"scan bomb":        imagingtest.ScanBomb(61, 2),
			"png":              imagingtest.PNG(photo),
			"interlaced png":   imagingtest.RarePNG(photo, imagingtest.PNGKind{Colour: 6, Depth: 16, Interlaced: true, Orientation: 3}),
			"gif":              imagingtest.GIF(photo),
			"animated gif":     imagingtest.AnimatedGIF(photo, image.Rect(2, 3, 20, 30)),
			"webp":             imagingtest.WebP(photo),
			"webp with exif":   imagingtest.WebPWithEXIF(imagingtest.WebP(photo), photo.Rect.Size(), 6),
			"lossy webp":       imagingtest.LossyWebP(61, 43),
			"logo":             imagingtest.PNG(imagingtest.Logo(61, 43)),
			"graphic":          imagingtest.PNG(imagingtest.Graphic(61, 43)),
			"leaves":           imagingtest.PNG(imagingtest.Leaves(61, 43, 9)),
			"jpeg with a loop": imagingtest.WithEXIF(imagingtest.JPEG(photo, 80, 1), imagingtest.EXIFLoop()),
		}
	}
	again := files()
	for name, file := range files() {
		if !bytes.Equal(file, again[name]) {
			t.Errorf("%s differs from one time to the other", name)
		}
		m, _, err := image.Decode(bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w := m.Bounds().Dx(); w != 61 && name != "animated gif" {
			t.Errorf("%s is %d wide", name, w)
		}
	}
	if bytes.Equal(imagingtest.PNG(imagingtest.Photo(61, 43, 1)), again["png"]) || bytes.Equal(imagingtest.PNG(imagingtest.Leaves(61, 43, 1)), again["leaves"]) {
		t.Error("another seed makes the same picture")
	}
}

func TestStoredIsUndoneByItsOrientation(t *testing.T) {
	t.Parallel()
	want := imagingtest.Corners(9, 6)
	undo := []int{0, 1, 2, 3, 4, 5, 8, 7, 6}
	for o := 1; o <= 8; o++ {
		if got := imagingtest.Stored(imagingtest.Stored(want, o), undo[o]); !bytes.Equal(got.Pix, want.Pix) || got.Rect != want.Rect {
			t.Errorf("orientation %d", o)
		}
	}
}
