package process_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

func TestProcessDetectsAnimations(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(60, 40, 1)
	png := imagingtest.PNG(photo)
	whole := imagingtest.Frame{At: photo.Rect, File: imagingtest.WebP(photo)}
	commented := imagingtest.GIFOf(60, 40, 2) // with an extension before the first frame
	const at = 13
	commented = append(append(append([]byte{}, commented[:at]...), "\x21\xfe\x03abc\x00"...), commented[at:]...)
	tests := []struct {
		name string
		src  []byte
		want bool
	}{
		{"jpeg", imagingtest.JPEG(photo, 80, 1), false},
		{"gif", imagingtest.GIF(photo), false},
		{"gif of one frame", imagingtest.GIFOf(60, 40, 1), false},
		{"gif of two frames", imagingtest.GIFOf(60, 40, 2), true},
		{"gif of fifty frames", imagingtest.GIFOf(60, 40, 50), true},
		{"gif with a comment", commented, true},
		{"gif with frames of their own colours", imagingtest.AnimatedGIF(photo, image.Rect(3, 4, 50, 30)), true},
		{"gif cut off in its second frame", commented[:len(commented)-20], true},
		{"png", png, false},
		{"png of one frame", imagingtest.APNG(png, 1), false},
		{"png of two frames", imagingtest.APNG(png, 2), true},
		{"webp", imagingtest.WebP(photo), false},
		{"webp of one frame", imagingtest.AnimatedWebP(photo.Rect.Size(), whole), false},
		{"webp of two frames", imagingtest.AnimatedWebP(photo.Rect.Size(), whole, whole), true},
	}
	for _, test := range tests {
		if got := mustProcess(t, test.src); got.Animated != test.want {
			t.Errorf("%s: animated is %v", test.name, got.Animated)
		} else if got.Width != 60 || got.Height != 40 {
			t.Errorf("%s: %d x %d", test.name, got.Width, got.Height)
		}
	}
}

// The first frame of an animated WebP looks like its own file, on a canvas that is transparent
// around it. The other frames are not decoded.
func TestProcessUsesTheFirstFrameOfAWebP(t *testing.T) {
	t.Parallel()
	photo, logo := imagingtest.Photo(60, 40, 1), imagingtest.Logo(60, 40)
	lossy := imagingtest.LossyWebP(60, 40)
	sheer := imagingtest.WithAlpha(lossy, 60, 40, func(x, _ int) byte { return byte(4 * x) })
	broken := imagingtest.Frame{At: image.Rect(0, 0, 60, 40), File: append([]byte("RIFF....WEBP"), "VP8L\x04\x00\x00\x00\xde\xad\xbe\xef"...)}
	for name, file := range map[string][]byte{
		"lossless": imagingtest.WebP(photo), "lossless with alpha": imagingtest.WebP(logo), "lossy": lossy, "lossy with alpha": sheer,
	} {
		want := open(t, mustProcess(t, file).Renditions[0])
		whole := imagingtest.AnimatedWebP(image.Pt(60, 40), imagingtest.Frame{At: image.Rect(0, 0, 60, 40), File: file}, broken)
		if d := meanDifference(open(t, mustProcess(t, whole).Renditions[0]), want); d > 0 {
			t.Errorf("%s: differs by %.3f", name, d)
		}
		at := image.Rect(20, 10, 80, 50)
		placed := imagingtest.AnimatedWebP(image.Pt(100, 70), imagingtest.Frame{At: at, File: file}, broken)
		got := mustProcess(t, placed)
		if got.Width != 100 || got.Height != 70 || got.Renditions[0].Format != imaging.PNG {
			t.Errorf("%s: %s of %d x %d", name, got.Renditions[0].Format, got.Width, got.Height)
		}
		m := open(t, got.Renditions[0])
		for _, p := range []image.Point{{0, 0}, {19, 30}, {80, 30}, {50, 9}, {50, 50}, {99, 69}} {
			if _, _, _, a := m.At(p.X, p.Y).RGBA(); a != 0 {
				t.Errorf("%s: %v is not transparent", name, p)
			}
		}
		part := m.(interface {
			SubImage(image.Rectangle) image.Image
		}).SubImage(at)
		if d := meanDifference(part, want); d > 7 { // want may be a JPEG
			t.Errorf("%s: differs by %.3f on its canvas", name, d)
		}
	}
}

func TestProcessRefusesBadAnimations(t *testing.T) {
	t.Parallel()
	size := image.Pt(60, 40)
	file := imagingtest.WebP(imagingtest.Photo(60, 40, 1))
	at := func(r image.Rectangle) []byte {
		return imagingtest.AnimatedWebP(size, imagingtest.Frame{At: r, File: file})
	}
	good := at(image.Rectangle{Max: size})
	anmf := bytes.Index(good, []byte("ANMF"))
	change := func(offset int, v byte) []byte {
		out := bytes.Clone(good)
		out[anmf+8+offset] = v
		return out
	}
	huge := imagingtest.AnimatedWebP(image.Pt(12001, 100), imagingtest.Frame{At: image.Rectangle{Max: size}, File: file})
	for name, test := range map[string]struct {
		src  []byte
		want imaging.Code
	}{
		"no frame":                    {imagingtest.AnimatedWebP(size), imaging.CodeCorruptImage},
		"frame beyond the canvas":     {at(image.Rect(2, 0, 62, 40)), imaging.CodeCorruptImage},
		"frame smaller than it says":  {at(image.Rect(0, 0, 58, 40)), imaging.CodeCorruptImage},
		"frame of huge offset":        {change(2, 0xff), imaging.CodeCorruptImage},
		"frame without picture":       {change(16, 'X'), imaging.CodeCorruptImage},
		"chunk longer than its frame": {change(22, 1), imaging.CodeCorruptImage},
		"canvas too wide":             {huge, imaging.CodeImageTooLarge},
		"empty frame":                 {imagingtest.AnimatedWebP(size, imagingtest.Frame{At: image.Rectangle{Max: size}, File: file[:12]}), imaging.CodeCorruptImage},
	} {
		_, err := process.New(process.Config{}).Process(t.Context(), test.src, process.Options{})
		var got *imaging.Error
		if !errors.As(err, &got) || got.Code != test.want || got.Transient {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// A small first frame is in its place on a large canvas.
func TestProcessOfALargeCanvas(t *testing.T) {
	t.Parallel()
	dot := imagingtest.Frame{At: image.Rect(3000, 1000, 3060, 1040), File: imagingtest.WebP(imagingtest.Photo(60, 40, 1))}
	got := mustProcess(t, imagingtest.AnimatedWebP(image.Pt(6000, 1500), dot, dot))
	m := open(t, got.Renditions[0])
	if got.Width != 6000 || m.Bounds() != image.Rect(0, 0, 1600, 400) {
		t.Fatalf("%d wide, main variant %v", got.Width, m.Bounds())
	}
	if c := color.NRGBAModel.Convert(m.At(807, 271)).(color.NRGBA); c.A < 200 {
		t.Errorf("the frame is not in its place: %v", c)
	}
}
