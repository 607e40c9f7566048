package picture_test

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"testing"

	_ "golang.org/x/image/webp"

	"vitrine/imaging/picture"
)

func TestFilesAreDecodableAndTheSameEveryTime(t *testing.T) {
	t.Parallel()
	files := func() map[string][]byte {
		photo := picture.Photo(61, 43, 9)
		return map[string][]byte{
			"jpeg": picture.JPEG(photo, 80, 6),
			"progressive jpeg": picture.RareJPEG(photo, picture.Coding{
				Progressive: true, Sampling: []byte{0x22, 0x11, 0x11}, Transform: -1}),
			"scan bomb":        picture.ScanBomb(61, 2),
			"png":              picture.PNG(photo),
			"interlaced png":   picture.RarePNG(photo, picture.PNGKind{Colour: 6, Depth: 16, Interlaced: true, Orientation: 3}),
			"gif":              picture.GIF(photo),
			"animated gif":     picture.AnimatedGIF(photo, image.Rect(2, 3, 20, 30)),
			"webp":             picture.WebP(photo),
			"webp with exif":   picture.WebPWithEXIF(picture.WebP(photo), photo.Rect.Size(), 6),
			"lossy webp":       picture.LossyWebP(61, 43),
			"logo":             picture.PNG(picture.Logo(61, 43)),
			"graphic":          picture.PNG(picture.Graphic(61, 43)),
			"leaves":           picture.PNG(picture.Leaves(61, 43, 9)),
			"jpeg with a loop": picture.WithEXIF(picture.JPEG(photo, 80, 1), picture.EXIFLoop()),
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
	if bytes.Equal(picture.PNG(picture.Photo(61, 43, 1)), again["png"]) || bytes.Equal(picture.PNG(picture.Leaves(61, 43, 1)), again["leaves"]) {
		t.Error("another seed gives the same picture")
	}
}

func TestStoredIsUndoneByItsOrientation(t *testing.T) {
	t.Parallel()
	want := picture.Corners(9, 6)
	undo := []int{0, 1, 2, 3, 4, 5, 8, 7, 6}
	for o := 1; o <= 8; o++ {
		if got := picture.Stored(picture.Stored(want, o), undo[o]); !bytes.Equal(got.Pix, want.Pix) || got.Rect != want.Rect {
			t.Errorf("orientation %d", o)
		}
	}
}
