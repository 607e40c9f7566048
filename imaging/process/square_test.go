package process_test

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

// quarters returns a picture with a different colour in each quarter.
func quarters(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: 40, G: 40, B: 40, A: 255}
			if 2*x >= w {
				c.R = 220
			}
			if 2*y >= h {
				c.G = 220
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func square(t *testing.T, src []byte, focal *imaging.Focal) (process.Rendition, image.Image) {
	t.Helper()
	got, err := process.New(process.Config{}).Process(t.Context(), src, process.Options{Focal: focal})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	r := got.Renditions[len(imaging.Sizes)]
	if r.Name != "square" || len(got.Renditions) != len(imaging.Sizes)+1 {
		t.Fatalf("%d renditions, %s", len(got.Renditions), r.Name)
	}
	return r, open(t, r)
}

// The square shows the surroundings of the focal point, in pictures of every kind.
func TestSquareShowsTheFocalPoint(t *testing.T) {
	t.Parallel()
	wide := quarters(900, 300)
	glass := quarters(900, 300)
	for i := 3; i < len(glass.Pix); i += 4 {
		glass.Pix[i] = 128
	}
	gray := image.NewGray(image.Rect(0, 0, 900, 300))
	for i := range gray.Pix {
		gray.Pix[i] = 40
		if i%900 >= 450 {
			gray.Pix[i] = 220
		}
	}
	for name, src := range map[string][]byte{
		"photograph": imagingtest.JPEG(wide, 90, 1), "transparent": imagingtest.PNG(glass), "drawing": imagingtest.PNG(wide), "gray": imagingtest.PNG(gray),
		"sideways": imagingtest.JPEG(imagingtest.Stored(wide, 8), 90, 8), "odd": imagingtest.JPEG(quarters(901, 301), 90, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			red := func(img image.Image, x int) bool {
				r, _, _, a := img.At(x, 20).RGBA()
				return 2*r > a
			}
			for at, want := range map[string]struct {
				focal       *imaging.Focal
				left, right bool // is it the right half of the picture?
			}{
				"centre": {nil, false, true},
				"left":   {&imaging.Focal{X: 0, Y: 0.5}, false, false},
				"right":  {&imaging.Focal{X: 1, Y: 0.5}, true, true},
			} {
				r, img := square(t, src, want.focal)
				if r.Width != 200 || r.Height != 200 {
					t.Errorf("%s: %d x %d", at, r.Width, r.Height)
				}
				if got := [2]bool{red(img, 20), red(img, 180)}; got != [2]bool{want.left, want.right} {
					t.Errorf("%s: %v", at, got)
				}
			}
			if r, _ := square(t, src, &imaging.Focal{X: 0.25, Y: 0.1234}); r.Object != "square-250-123."+r.Format.Extension() {
				t.Errorf("object %s", r.Object)
			}
		})
	}
}

// In a square around the centre the edge between the colours is in the middle to a pixel, so
// chroma and luma are cropped at the same place.
func TestSquareKeepsChromaInPlace(t *testing.T) {
	t.Parallel()
	for _, w := range []int{900, 901, 902, 903} {
		_, img := square(t, imagingtest.JPEG(quarters(w, 303), 95, 1), nil)
		for y := 10; y < 200; y += 60 {
			edge := 0
			for x := range 200 {
				if r, _, _, _ := img.At(x, y).RGBA(); r > 130<<8 {
					edge = x
					break
				}
			}
			if edge < 98 || edge > 102 {
				t.Errorf("%d wide: the edge is at %d of 200", w, edge)
			}
		}
	}
}

func TestSquareOfSmallPictures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		w, h, side int
		shared     string
	}{
		{1, 1, 1, "main.png"}, {1, 1500, 1, ""}, {150, 90, 90, ""}, {200, 200, 200, "main.png"}, {640, 640, 200, "small.png"},
		{5000, 100, 32, ""}, {201, 200, 200, ""},
	} {
		t.Run(fmt.Sprintf("%dx%d", test.w, test.h), func(t *testing.T) {
			t.Parallel()
			r, _ := square(t, imagingtest.PNG(quarters(test.w, test.h)), nil)
			if r.Width != test.side || r.Height != test.side {
				t.Errorf("%d x %d, want %d", r.Width, r.Height, test.side)
			}
			if want := test.shared; want != "" && r.Object != want || want == "" && r.Object != "square."+r.Format.Extension() {
				t.Errorf("object %s, want %s", r.Object, want)
			}
		})
	}
}

// A square that is made from the main variant looks like one that is made from the source, and
// has its own name.
func TestSquareFromTheMainVariant(t *testing.T) {
	t.Parallel()
	p := process.New(process.Config{})
	got, err := p.Process(t.Context(), imagingtest.JPEG(quarters(2400, 900), 92, 1), process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	focal := &imaging.Focal{X: 0.9, Y: 0.5}
	r, release, err := p.Square(t.Context(), got.Renditions[0].Body, focal)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if r.Object != "square-900-500.jpg" || r.Width != 200 || r.Height != 200 {
		t.Errorf("%s, %d x %d", r.Object, r.Width, r.Height)
	}
	_, want := square(t, imagingtest.JPEG(quarters(2400, 900), 92, 1), focal)
	again := open(t, r)
	for y := 0; y < 200; y += 10 {
		for x := 0; x < 200; x += 10 {
			a, b := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(again.At(x, y)).(color.NRGBA)
			if d := int(a.R) - int(b.R); d < -40 || d > 40 {
				t.Fatalf("at %d, %d: %v and %v", x, y, a, b)
			}
		}
	}
}
