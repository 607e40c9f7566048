package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/webp"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

func mustProcess(t *testing.T, src []byte) *process.Processed {
	t.Helper()
	got, err := process.New(process.Config{}).Process(t.Context(), src, process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.Release)
	return got
}

// open decodes a rendition and checks its format and size.
func open(t *testing.T, r process.Rendition) image.Image {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(r.Body))
	if err != nil {
		t.Fatalf("%s: %v", r.Object, err)
	}
	if format != string(r.Format) || m.Bounds().Dx() != r.Width || m.Bounds().Dy() != r.Height {
		t.Errorf("%s is a %s of %v, want a %s of %d x %d", r.Object, format, m.Bounds(), r.Format, r.Width, r.Height)
	}
	return m
}

// meanDifference returns the mean difference of red, green and blue of two pictures of the same
// size, on a white background.
func meanDifference(a, b image.Image) float64 {
	sum, n := 0.0, 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, q := onWhite(a, x, y), onWhite(b, x, y)
			for c := range 3 {
				d := p[c] - q[c]
				sum += max(d, -d)
				n++
			}
		}
	}
	return sum / float64(n)
}

func onWhite(m image.Image, x, y int) [3]float64 {
	r, g, b, a := m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y).RGBA()
	white := 65535 - a
	return [3]float64{float64(r+white) / 257, float64(g+white) / 257, float64(b+white) / 257}
}

type shape struct {
	Name, Object  string
	Width, Height int
}

func shapes(p *process.Processed) []shape {
	list := make([]shape, 0, len(p.Renditions))
	for _, r := range p.Renditions {
		list = append(list, shape{r.Name, r.Object, r.Width, r.Height})
	}
	return list
}

func TestProcessSizes(t *testing.T) {
	t.Parallel()
	gray := func(w, h int) []byte { return imagingtest.JPEG(image.NewGray(image.Rect(0, 0, w, h)), 90, 1) }
	tests := []struct {
		name string
		src  []byte
		want []shape
	}{
		{"larger than all", gray(2400, 1200), []shape{
			{"main", "main.jpg", 1600, 800}, {"large", "large.jpg", 800, 400}, {"small", "small.jpg", 200, 100},
			{"square", "square.jpg", 200, 200}}},
		{"upright", gray(1201, 2401), []shape{
			{"main", "main.jpg", 800, 1600}, {"large", "large.jpg", 400, 800}, {"small", "small.jpg", 100, 200},
			{"square", "square.jpg", 200, 200}}},
		{"between main and large", gray(1000, 10), []shape{
			{"main", "main.jpg", 1000, 10}, {"large", "large.jpg", 800, 8}, {"small", "small.jpg", 200, 2},
			{"square", "square.jpg", 10, 10}}},
		{"large as it is", gray(800, 800), []shape{
			{"main", "main.jpg", 800, 800}, {"large", "main.jpg", 800, 800}, {"small", "small.jpg", 200, 200},
			{"square", "small.jpg", 200, 200}}},
		{"small as it is", gray(90, 200), []shape{
			{"main", "main.jpg", 90, 200}, {"large", "main.jpg", 90, 200}, {"small", "main.jpg", 90, 200},
			{"square", "square.jpg", 90, 90}}},
		{"a line", gray(5000, 1), []shape{
			{"main", "main.jpg", 1600, 1}, {"large", "large.jpg", 800, 1}, {"small", "small.jpg", 200, 1},
			{"square", "square.jpg", 1, 1}}},
		{"one pixel", gray(1, 1), []shape{
			{"main", "main.jpg", 1, 1}, {"large", "main.jpg", 1, 1}, {"small", "main.jpg", 1, 1},
			{"square", "main.jpg", 1, 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := mustProcess(t, test.src)
			if diff := cmp.Diff(test.want, shapes(got)); diff != "" {
				t.Error(diff)
			}
			for _, r := range got.Renditions {
				open(t, r)
			}
		})
	}
}

func TestProcessTurnsEveryOrientation(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{96, 64}, {97, 63}, {1703, 37}} {
		want := imagingtest.Corners(size.X, size.Y)
		plain := mustProcess(t, imagingtest.JPEG(want, 95, 1))
		for o := 1; o <= 8; o++ {
			stored := imagingtest.Stored(want, o)
			files := map[string][]byte{
				"jpeg": imagingtest.JPEG(stored, 95, o),
				"gray jpeg": imagingtest.WithEXIF(imagingtest.RareJPEG(stored,
					imagingtest.Coding{Sampling: []byte{0x11}, Transform: -1}), imagingtest.EXIF(o)),
			}
			if size.X < 1000 {
				files["png"] = imagingtest.RarePNG(stored, imagingtest.PNGKind{Colour: 2, Depth: 8, Orientation: o})
				files["webp"] = imagingtest.WebPWithEXIF(imagingtest.WebP(stored), stored.Rect.Size(), o)
			}
			for format, src := range files {
				t.Run(fmt.Sprintf("%v %s %d", size, format, o), func(t *testing.T) {
					t.Parallel()
					got := mustProcess(t, src)
					if got.Width != size.X || got.Height != size.Y {
						t.Errorf("source of %d x %d", got.Width, got.Height)
					}
					limit := 6.0 // of compression; a wrong turn is more than 20
					for i, r := range got.Renditions {
						m := open(t, r)
						if format == "gray jpeg" {
							if r.Name != "square" { // which does not show all corners
								checkGrayCorners(t, m)
							}
							continue
						}
						if d := meanDifference(m, open(t, plain.Renditions[i])); d > limit {
							t.Errorf("%s differs by %.2f from that of the upright file", r.Name, d)
						}
					}
				})
			}
		}
	}
}

// checkGrayCorners identifies the corners by their luma.
func checkGrayCorners(t *testing.T, m image.Image) {
	t.Helper()
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	for i, at := range []image.Point{{w / 8, h / 8}, {w - 1 - w/8, h / 8}, {w - 1 - w/8, h - 1 - h/8}, {w / 8, h - 1 - h/8}} {
		got := int(color.GrayModel.Convert(m.At(at.X, at.Y)).(color.Gray).Y)
		want := []int{83, 148, 41, 240}[i]
		if got < want-8 || got > want+8 {
			t.Errorf("corner %d is %d, want %d", i, got, want)
		}
	}
}

func TestProcessReadsEveryKindOfFile(t *testing.T) {
	t.Parallel()
	photo, logo, graphic := imagingtest.Photo(161, 103, 1), imagingtest.Logo(101, 80), imagingtest.Graphic(161, 103)
	gray := image.NewGray(photo.Rect)
	for i := range gray.Pix {
		gray.Pix[i] = color.GrayModel.Convert(photo.At(i%gray.Stride, i/gray.Stride)).(color.Gray).Y
	}
	yes, no := true, false
	grayLogo := image.NewNRGBA(logo.Rect)
	for i := range logo.Pix {
		grayLogo.Pix[i] = logo.Pix[i]
		if i%4 != 3 {
			grayLogo.Pix[i] = 0x40
		}
	}
	rare := func(m image.Image, transform int, sampling ...byte) []byte {
		return imagingtest.RareJPEG(m, imagingtest.Coding{Sampling: sampling, Transform: transform})
	}
	progressive := func(m image.Image, transform int, sampling ...byte) []byte {
		return imagingtest.RareJPEG(m, imagingtest.Coding{Sampling: sampling, Transform: transform, Progressive: true})
	}
	kind := func(colour, depth byte, interlaced bool) imagingtest.PNGKind {
		return imagingtest.PNGKind{Colour: colour, Depth: depth, Interlaced: interlaced}
	}
	key := imagingtest.PNGKind{Colour: 2, Depth: 8, Transparent: color.NRGBA{0xfa, 0xfa, 0xf5, 255}}
	keyed := imagingtest.Graphic(120, 90)
	for i := 0; i < len(keyed.Pix); i += 4 {
		if keyed.Pix[i] == 0xfa {
			keyed.Pix[i+3] = 0
		}
	}
	tests := []struct {
		name   string
		src    []byte
		format imaging.Format
		want   image.Image
		opaque bool
		limit  float64 // of the mean difference
	}{
		{"jpeg 4:2:0", imagingtest.JPEG(photo, 92, 1), imaging.JPEG, photo, yes, 7},
		{"jpeg 4:4:4", rare(photo, -1, 0x11, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg 4:2:2", rare(photo, -1, 0x21, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg 4:4:0", rare(photo, -1, 0x12, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg 4:1:1", rare(photo, -1, 0x41, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg 4:1:0", rare(photo, -1, 0x42, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg gray", rare(gray, -1, 0x11), imaging.JPEG, gray, yes, 4},
		{"jpeg gray with factors", rare(gray, -1, 0x22), imaging.JPEG, gray, yes, 4},
		{"jpeg rgb", rare(photo, 0, 0x11, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg cmyk", rare(photo, 0, 0x11, 0x11, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg ycck", rare(photo, 2, 0x11, 0x11, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg ycck 4:2:0", rare(photo, 2, 0x22, 0x11, 0x11, 0x22), imaging.JPEG, photo, yes, 8},
		{"jpeg progressive 4:2:0", progressive(photo, -1, 0x22, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg progressive 4:4:4", progressive(photo, -1, 0x11, 0x11, 0x11), imaging.JPEG, photo, yes, 7},
		{"jpeg progressive gray", progressive(gray, -1, 0x11), imaging.JPEG, gray, yes, 4},
		{"png rgb", imagingtest.PNG(photo), imaging.PNG, photo, yes, 7},
		{"png rgb 16", imagingtest.RarePNG(photo, kind(2, 16, no)), imaging.PNG, photo, yes, 7},
		{"png gray", imagingtest.RarePNG(gray, kind(0, 8, no)), imaging.PNG, gray, yes, 4},
		{"png gray 16", imagingtest.RarePNG(gray, kind(0, 16, no)), imaging.PNG, gray, yes, 4},
		{"png gray interlaced", imagingtest.RarePNG(gray, kind(0, 8, yes)), imaging.PNG, gray, yes, 4},
		{"png with an alpha channel, all opaque", imagingtest.RarePNG(photo, kind(6, 8, no)), imaging.PNG, photo, yes, 7},
		{"png rgba", imagingtest.RarePNG(logo, kind(6, 8, no)), imaging.PNG, logo, no, 0.5},
		{"png rgba 16", imagingtest.RarePNG(logo, kind(6, 16, no)), imaging.PNG, logo, no, 0.5},
		{"png rgba interlaced", imagingtest.RarePNG(logo, kind(6, 8, yes)), imaging.PNG, logo, no, 0.5},
		{"png gray and alpha", imagingtest.RarePNG(grayLogo, kind(4, 8, no)), imaging.PNG, grayLogo, no, 0.5},
		{"png gray and alpha 16 interlaced", imagingtest.RarePNG(grayLogo, kind(4, 16, yes)), imaging.PNG, grayLogo, no, 0.5},
		{"png palette", imagingtest.PNG(imagingtest.Paletted(graphic)), imaging.PNG, imagingtest.Paletted(graphic), yes, 0.1},
		{"png palette with transparency", imagingtest.PNG(imagingtest.Paletted(logo)), imaging.PNG, imagingtest.Paletted(logo), no, 0.1},
		{"png with a transparent colour", imagingtest.RarePNG(imagingtest.Graphic(120, 90), key), imaging.PNG, keyed, no, 0.1},
		{"png drawing", imagingtest.PNG(graphic), imaging.PNG, graphic, yes, 0.1},
		{"gif", imagingtest.GIF(graphic), imaging.GIF, imagingtest.Paletted(graphic), yes, 0.1},
		{"gif of a photograph", imagingtest.GIF(photo), imaging.GIF, imagingtest.Paletted(photo), yes, 18},
		{"gif with transparency", imagingtest.GIF(logo), imaging.GIF, imagingtest.Paletted(logo), no, 0.1},
		{"webp lossless", imagingtest.WebP(photo), imaging.WebP, photo, yes, 7},
		{"webp lossless with alpha", imagingtest.WebP(logo), imaging.WebP, logo, no, 0.5},
		{"webp lossy", imagingtest.LossyWebP(40, 24), imaging.WebP, fullRange(t, imagingtest.LossyWebP(40, 24)), yes, 0.7},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := mustProcess(t, test.src)
			if got.Format != test.format {
				t.Errorf("format is %s, want %s", got.Format, test.format)
			}
			if got.Renditions[0].Width > 400 {
				t.Fatal("the main rendition does not have the source's size")
			}
			if d := meanDifference(open(t, got.Renditions[0]), test.want); d > test.limit {
				t.Errorf("the mean difference is %.2f", d)
			}
			for _, r := range got.Renditions {
				m := open(t, r)
				if opaque := m.(interface{ Opaque() bool }).Opaque(); opaque != test.opaque {
					t.Errorf("%s: opaque is %v, want %v", r.Name, opaque, test.opaque)
				}
				if !test.opaque && r.Format != imaging.PNG {
					t.Errorf("%s has transparency and is a %s", r.Name, r.Format)
				}
			}
		})
	}
}

// fullRange decodes a lossy WebP and extends its luma from the range 16 to 235.
func fullRange(t *testing.T, file []byte) image.Image {
	t.Helper()
	m, err := webp.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	stored := m.(*image.YCbCr)
	out := image.NewGray(stored.Rect)
	for i := range out.Pix {
		at := image.Pt(i%out.Stride, i/out.Stride)
		luma := float64(stored.Y[stored.YOffset(at.X, at.Y)])
		out.Pix[i] = byte((luma-16)*255/219 + 0.5)
	}
	return out
}

func TestProcessPutsAGIFFrameOnItsCanvas(t *testing.T) {
	t.Parallel()
	logo := imagingtest.Graphic(200, 100)
	frame := image.Rect(30, 20, 130, 90)
	got := open(t, mustProcess(t, imagingtest.AnimatedGIF(logo, frame)).Renditions[0])
	if got.Bounds() != image.Rect(0, 0, 200, 100) {
		t.Fatalf("canvas is %v", got.Bounds())
	}
	for _, at := range []image.Point{{10, 50}, {150, 50}, {60, 10}, {60, 95}} {
		if _, _, _, a := got.At(at.X, at.Y).RGBA(); a != 0 {
			t.Errorf("%v is outside the frame and not transparent", at)
		}
	}
	want := imagingtest.Paletted(logo.SubImage(frame))
	for _, at := range []image.Point{{30, 20}, {129, 89}, {80, 60}} {
		if diff := cmp.Diff(color.NRGBAModel.Convert(want.At(at.X, at.Y)), color.NRGBAModel.Convert(got.At(at.X, at.Y))); diff != "" {
			t.Errorf("%v: %s", at, diff)
		}
	}
}

func TestProcessEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := process.New(process.Config{}).Process(ctx, imagingtest.JPEG(imagingtest.Photo(64, 48, 1), 90, 1), process.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// counted is a context that ends after a number of calls of Err.
type counted struct {
	context.Context

	left int
}

func (c *counted) Err() error {
	if c.left == 0 {
		return context.Canceled
	}
	c.left--
	return nil
}

// A stop does not wait for sizes that have not been started.
func TestProcessEndsBetweenSizes(t *testing.T) {
	t.Parallel()
	src := imagingtest.JPEG(imagingtest.Photo(64, 48, 1), 90, 1)
	for left, want := range []error{context.Canceled, context.Canceled, context.Canceled, nil} {
		if _, err := process.Whole(&counted{t.Context(), left}, src); !errors.Is(err, want) {
			t.Errorf("error at size %d is %v", left+1, err)
		}
	}
}

func TestProcessDoesNotInflate(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(300, 220, 3)
	for _, quality := range []int{30, 50, 75, 80, 95} {
		src := imagingtest.JPEG(photo, quality, 1)
		if got := mustProcess(t, src).Renditions[0]; len(got.Body) > len(src) {
			t.Errorf("quality %d: %d bytes of %d", quality, len(got.Body), len(src))
		}
	}
	graphic := imagingtest.PNG(imagingtest.Graphic(400, 300))
	if got := mustProcess(t, graphic).Renditions[0]; got.Format != imaging.PNG || len(got.Body) > len(graphic) {
		t.Errorf("a drawing of %d bytes became a %s of %d", len(graphic), got.Format, len(got.Body))
	}
	// The file is not larger than one of the same size at the usual quality.
	big := mustProcess(t, imagingtest.PNG(imagingtest.Photo(1800, 90, 4))).Renditions[0]
	m := open(t, big)
	var again bytes.Buffer
	if err := jpeg.Encode(&again, m, &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	if big.Format != imaging.JPEG || float64(len(big.Body)) > 1.05*float64(again.Len()) {
		t.Errorf("%s of %d bytes; encoded again %d", big.Format, len(big.Body), again.Len())
	}
	logo := imagingtest.PNG(imagingtest.Logo(400, 300))
	var plain bytes.Buffer
	if err := png.Encode(&plain, imagingtest.Logo(400, 300)); err != nil {
		t.Fatal(err)
	}
	if got := mustProcess(t, logo).Renditions[0]; len(got.Body) > plain.Len()+plain.Len()/50 {
		t.Errorf("a logo of %d bytes became %d", plain.Len(), len(got.Body))
	}
}
