package process_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
	"vitrine/imaging/ssim"
)

// withWebP returns the renditions of a picture, and checks that the usual ones are the same as
// without WebP.
func withWebP(t *testing.T, src []byte, sizes ...string) (base, webps []process.Rendition) {
	t.Helper()
	plain := mustProcess(t, src)
	got, err := process.New(process.Config{}).Process(t.Context(), src, process.Options{WebP: sizes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.Release)
	n := len(plain.Renditions)
	if diff := cmp.Diff(plain.Renditions, got.Renditions[:n]); diff != "" {
		t.Error(diff)
	}
	for _, r := range got.Renditions[n:] {
		open(t, r)
	}
	return got.Renditions[:n], got.Renditions[n:]
}

// shown returns a picture as a browser shows it. The decoder returns the planes of a lossy WebP
// in the limited range of BT.601.
func shown(t *testing.T, r process.Rendition) image.Image {
	t.Helper()
	m := open(t, r)
	p, ok := m.(*image.YCbCr)
	if !ok || r.Format != imaging.WebP {
		return m
	}
	out := image.NewYCbCr(p.Rect, p.SubsampleRatio)
	widen := func(dst, src []byte, dstStride, srcStride int, zero, span float64) {
		for i := range dst {
			x, y := i%dstStride, i/dstStride
			v := (float64(src[y*srcStride+x])-zero)*255/span + map[float64]float64{16: 0, 128: 128}[zero]
			dst[i] = byte(min(max(v+0.5, 0), 255))
		}
	}
	widen(out.Y, p.Y, out.YStride, p.YStride, 16, 219)
	widen(out.Cb, p.Cb, out.CStride, p.CStride, 128, 224)
	widen(out.Cr, p.Cr, out.CStride, p.CStride, 128, 224)
	return out
}

func lumaOf(m image.Image) *image.Gray {
	out := image.NewGray(image.Rectangle{Max: m.Bounds().Size()})
	for i := range out.Pix {
		x, y := i%out.Stride, i/out.Stride
		out.Pix[i] = color.YCbCrModel.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).(color.YCbCr).Y
	}
	return out
}

func TestProcessWebPOfAPhotograph(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(900, 700, 3)
	base, webps := withWebP(t, imagingtest.PNG(photo), "small")
	if len(webps) != 1 || webps[0].Name != "small" || webps[0].Object != "small.webp" {
		t.Fatal(shapesOf(webps))
	}
	w, j := webps[0], base[2]
	if j.Name != "small" || j.Format != imaging.JPEG || j.Width != w.Width || j.Height != w.Height {
		t.Fatalf("%dx%d beside %s %s %dx%d", w.Width, w.Height, j.Format, j.Name, j.Width, j.Height)
	}
	if 10*len(w.Body) > 9*len(j.Body) {
		t.Errorf("%d bytes, %d as JPEG", len(w.Body), len(j.Body))
	}
	want := process.ScaledForTest(photo, w.Width, w.Height)
	ours, theirs := shown(t, w), shown(t, j)
	similarity, target := ssim.Gray(lumaOf(want), lumaOf(ours)), ssim.Gray(lumaOf(want), lumaOf(theirs))
	if similarity < target-0.003 {
		t.Errorf("SSIM %.4f, %.4f as JPEG", similarity, target)
	}
	if a, b := apart(want, ours), apart(want, theirs); a > b+0.25 {
		t.Errorf("colours are %.2f apart, %.2f as JPEG", a, b)
	}
}

func shapesOf(list []process.Rendition) []shape { return shapes(&process.Processed{Renditions: list}) }

// apart returns the mean CIEDE2000 of every tenth pixel.
func apart(a, b image.Image) float64 {
	lab := func(m image.Image, x, y int) imagingtest.Lab {
		r, g, b, _ := m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y).RGBA()
		return imagingtest.LabFromSRGB(float64(r)/257, float64(g)/257, float64(b)/257)
	}
	sum, n := 0.0, 0
	size := a.Bounds().Size()
	for i := 0; i < size.X*size.Y; i += 10 {
		x, y := i%size.X, i/size.X
		sum += imagingtest.CIEDE2000(lab(a, x, y), lab(b, x, y))
		n++
	}
	return sum / float64(n)
}

func TestProcessWebPOfADrawingKeepsItsPixels(t *testing.T) {
	t.Parallel()
	base, webps := withWebP(t, imagingtest.PNG(imagingtest.Graphic(1000, 700)), "main", "large", "small")
	if len(webps) == 0 {
		t.Fatal("no WebP")
	}
	for _, w := range webps {
		var png process.Rendition
		for _, r := range base {
			if r.Name == w.Name {
				png = r
			}
		}
		if png.Format != imaging.PNG || 10*len(w.Body) > 9*len(png.Body) {
			t.Errorf("%s: %d bytes, %d as %s", w.Name, len(w.Body), len(png.Body), png.Format)
		}
		if d := meanDifference(open(t, png), open(t, w)); d != 0 {
			t.Errorf("%s: differs by %.3f", w.Name, d)
		}
	}
}

// cutOut returns a PNG of a photograph with the transparency of a logo.
func cutOut(w, h int) []byte {
	photo, logo := imagingtest.Photo(w, h, 4), imagingtest.Logo(w, h)
	for i := 3; i < len(photo.Pix); i += 4 {
		photo.Pix[i] = logo.Pix[i]
	}
	return imagingtest.PNG(photo)
}

func TestProcessWebPKeepsTransparency(t *testing.T) {
	t.Parallel()
	base, webps := withWebP(t, cutOut(500, 400), "main", "small")
	if len(webps) != 2 {
		t.Fatal(shapesOf(webps))
	}
	for i, w := range webps {
		png := base[2*i]
		if 2*len(w.Body) > len(png.Body) {
			t.Errorf("%s: %d bytes, %d as PNG", w.Name, len(w.Body), len(png.Body))
		}
		a, b := open(t, png), open(t, w)
		for i := range w.Width * w.Height {
			_, _, _, p := a.At(i%w.Width, i/w.Width).RGBA()
			_, _, _, q := b.At(i%w.Width, i/w.Width).RGBA()
			if p>>8 != q>>8 {
				t.Fatalf("%s: alpha %d became %d", w.Name, p>>8, q>>8)
			}
		}
	}
}

// Sizes with the same pixels share the object, as their JPEGs do. A WebP that saves too little
// is left out.
func TestProcessWebPSharesAndLeavesOut(t *testing.T) {
	t.Parallel()
	_, webps := withWebP(t, imagingtest.PNG(imagingtest.Graphic(600, 500)), "main", "large")
	if diff := cmp.Diff([]shape{{"main", "main.webp", 600, 500}, {"large", "main.webp", 600, 500}}, shapesOf(webps)); diff != "" {
		t.Error(diff)
	}
	_, webps = withWebP(t, imagingtest.PNG(imagingtest.Graphic(600, 500)), "large")
	if diff := cmp.Diff([]shape{{"large", "large.webp", 600, 500}}, shapesOf(webps)); diff != "" {
		t.Error(diff)
	}
	grainy := imagingtest.PNG(imagingtest.Photo(900, 700, 3)) // noise cannot be predicted
	if _, webps = withWebP(t, grainy, "large", "small"); len(webps) != 1 || webps[0].Name != "small" {
		t.Errorf("of a grainy picture: %v", shapesOf(webps))
	}
	if _, webps = withWebP(t, grainy); len(webps) != 0 {
		t.Errorf("WebP without a request: %v", shapesOf(webps))
	}
}

// A picture that can be processed without WebP can be processed with it: WebP files for which
// there is no memory are left out.
func TestProcessWebPWithinTheBudget(t *testing.T) {
	t.Parallel()
	file, deep := cutOut(1000, 1000), deepPNG(t, 1500, 1200)
	for name, test := range map[string]struct {
		src    []byte
		budget int64
		want   []string
	}{
		"a cut-out":           {file, 256 << 20, []string{"main", "large", "small"}},
		"less than its main":  {file, 96 << 20, []string{"large", "small"}},
		"deep":                {deep, 256 << 20, []string{"main", "large", "small"}},
		"less than its lossy": {deep, 64 << 20, nil},
	} {
		p := process.New(process.Config{MemoryBudget: test.budget})
		got, err := p.Process(t.Context(), test.src, process.Options{WebP: []string{"main", "large", "small"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var names []string
		for _, r := range got.Renditions[4:] {
			names = append(names, r.Name)
		}
		if diff := cmp.Diff(test.want, names); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		got.Release()
	}
}

// docs/pipeline.md names the budget.
func TestBudgetForACutOut(t *testing.T) {
	t.Parallel()
	got, err := process.LeastBudget(imagingtest.PNG(image.NewNRGBA(image.Rect(0, 0, 1600, 1600))))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/pipeline.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("a cut-out of 1600 x 1600 px needs a budget of %d MiB", got); !bytes.Contains(page, []byte(want)) {
		t.Errorf("docs/pipeline.md does not say: %s", want)
	}
}

// A completely transparent picture has no lossless WebP, which is not a failure.
func TestProcessWebPOfNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {300, 200}} {
		if _, webps := withWebP(t, imagingtest.PNG(image.NewNRGBA(image.Rectangle{Max: size})), "main", "small"); len(webps) != 0 {
			t.Errorf("%v: %v", size, shapesOf(webps))
		}
	}
}

func TestProcessWebPRefusesTheSamePictures(t *testing.T) {
	t.Parallel()
	src := imagingtest.Truncated(imagingtest.PNG(imagingtest.Photo(60, 40, 1)))
	p := process.New(process.Config{})
	_, want := p.Process(t.Context(), src, process.Options{})
	_, got := p.Process(t.Context(), src, process.Options{WebP: []string{"main"}})
	if want == nil || got == nil || want.Error() != got.Error() {
		t.Errorf("%v, %v", want, got)
	}
	if !bytes.Contains([]byte(got.Error()), []byte(imaging.CodeCorruptImage)) {
		t.Error(got)
	}
}
