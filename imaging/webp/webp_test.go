package webp_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"testing"

	xwebp "golang.org/x/image/webp"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/webp"
)

// planar converts a picture to full-range 4:2:0 by way of 4:4:4.
func planar(src image.Image) *image.YCbCr {
	size := src.Bounds().Size()
	m := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
	sums := make([][3]int, len(m.Cb))
	for y := range size.Y {
		for x := range size.X {
			c := color.YCbCrModel.Convert(src.At(x, y)).(color.YCbCr)
			m.Y[m.YOffset(x, y)] = c.Y
			s := &sums[m.COffset(x, y)]
			s[0], s[1], s[2] = s[0]+int(c.Cb), s[1]+int(c.Cr), s[2]+1
		}
	}
	for i, s := range sums {
		m.Cb[i], m.Cr[i] = byte(s[0]/s[2]), byte(s[1]/s[2])
	}
	return m
}

func encode(t *testing.T, m image.Image, o webp.Options) []byte {
	t.Helper()
	body, err := webp.Append(nil, m, o)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func decode(t *testing.T, file []byte) image.Image {
	t.Helper()
	m, err := xwebp.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// look returns red, green and blue as a browser shows them. The planes of a lossy WebP have the limited range of BT.601.
func look(m image.Image, x, y int) [3]float64 {
	p, ok := m.(*image.YCbCr)
	if !ok {
		c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		return [3]float64{float64(c.R), float64(c.G), float64(c.B)}
	}
	l := 255.0 / 219 * (float64(p.Y[p.YOffset(x, y)]) - 16)
	b := 255.0 / 224 * (float64(p.Cb[p.COffset(x, y)]) - 128)
	r := 255.0 / 224 * (float64(p.Cr[p.COffset(x, y)]) - 128)
	level := func(v float64) float64 { return min(max(v, 0), 255) }
	return [3]float64{level(l + 1.402*r), level(l - 0.344136*b - 0.714136*r), level(l + 1.772*b)}
}

func psnr(a, b *image.YCbCr) float64 {
	sum := 0.0
	size := a.Rect.Size()
	for y := range size.Y {
		for x := range size.X {
			d := float64(a.Y[a.YOffset(x, y)]) - 255.0/219*(float64(b.Y[b.YOffset(x, y)])-16)
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(size.X*size.Y)/max(sum, 1e-9))
}

// The encoder's reconstruction must equal the decoder's: a difference would grow from block to block and lower the PSNR at
// every quality and size.
func TestLossyReconstruction(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {1, 40}, {40, 1}, {15, 17}, {16, 16}, {33, 31}, {200, 133}, {257, 300}} {
		m := planar(imagingtest.Photo(size.X, size.Y, 3))
		last := 0.0
		for _, q := range []int{20, 60, 75, 90, 100} {
			t.Run(fmt.Sprint(size, q), func(t *testing.T) {
				got := decode(t, encode(t, m, webp.Options{Quality: q})).(*image.YCbCr)
				if got.Rect != m.Rect {
					t.Fatalf("bounds are %v", got.Rect)
				}
				least := map[int]float64{20: 21, 60: 27, 75: 30, 90: 36, 100: 43}[q]
				like := psnr(m, got)
				if like < least || like < last-1 {
					t.Errorf("%.1f dB at quality %d, %.1f at the quality below", like, q, last)
				}
				last = like
			})
		}
	}
}

func TestLossyKeepsColours(t *testing.T) {
	t.Parallel()
	for _, c := range []color.NRGBA{
		{255, 255, 255, 255}, {0, 0, 0, 255}, {128, 128, 128, 255}, {255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255},
		{200, 150, 120, 255}, {20, 60, 30, 255},
	} {
		m := image.NewNRGBA(image.Rect(0, 0, 48, 48))
		draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
		got := look(decode(t, encode(t, planar(m), webp.Options{Quality: 85})), 20, 20)
		want := imagingtest.LabFromSRGB(float64(c.R), float64(c.G), float64(c.B))
		if d := imagingtest.CIEDE2000(want, imagingtest.LabFromSRGB(got[0], got[1], got[2])); d > 1.2 {
			t.Errorf("%v became %.0f: %.2f apart", c, got, d)
		}
	}
}

func TestLossyGray(t *testing.T) {
	t.Parallel()
	src := planar(imagingtest.Photo(120, 90, 2))
	m := &image.Gray{Pix: src.Y, Stride: src.YStride, Rect: src.Rect}
	got := decode(t, encode(t, m, webp.Options{Quality: 90})).(*image.YCbCr)
	if like := psnr(src, got); like < 36 {
		t.Errorf("%.1f dB", like)
	}
	for i := range got.Cb {
		if got.Cb[i] != 128 || got.Cr[i] != 128 {
			t.Fatalf("chroma is %d, %d", got.Cb[i], got.Cr[i])
		}
	}
}

func TestTransparencyIsKept(t *testing.T) {
	t.Parallel()
	photo, logo := imagingtest.Photo(203, 151, 4), imagingtest.Logo(203, 151)
	m := image.NewRGBA(logo.Rect)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			c := photo.NRGBAAt(x, y)
			c.A = logo.NRGBAAt(x, y).A
			m.Set(x, y, c)
		}
	}
	for _, lossless := range []bool{false, true} {
		file := encode(t, m, webp.Options{Quality: 85, Lossless: lossless})
		got := decode(t, file)
		apart, n := 0.0, 0
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				want := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
				have := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA)
				if want.A != have.A {
					t.Fatalf("lossless %v: alpha at %d,%d is %d, not %d", lossless, x, y, have.A, want.A)
				}
				if want.A < 128 {
					continue
				}
				v := [3]float64{float64(have.R), float64(have.G), float64(have.B)}
				if p, ok := got.(*image.NYCbCrA); ok {
					v = look(&p.YCbCr, x, y)
				}
				for k, w := range [3]uint8{want.R, want.G, want.B} {
					apart += math.Abs(v[k] - float64(w))
				}
				n += 3
			}
		}
		if limit := map[bool]float64{false: 6, true: 0.001}[lossless]; apart/float64(n) > limit {
			t.Errorf("lossless %v: colours are %.2f apart", lossless, apart/float64(n))
		}
	}
}

// If the lossless library panics, transparency is stored uncompressed, and lossless pictures are rejected.
func TestLosslessFailure(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {2, 1}, {1, 2}} {
		nothing := image.NewRGBA(image.Rectangle{Max: size})
		if _, _, _, a := decode(t, encode(t, nothing, webp.Options{})).At(0, 0).RGBA(); a != 0 {
			t.Errorf("%v: alpha is %d", size, a)
		}
	}
	blank := image.NewPaletted(image.Rect(0, 0, 40, 30), color.Palette{color.NRGBA{}})
	if out, err := webp.Append([]byte("kept"), blank, webp.Options{}); !errors.Is(err, webp.ErrLossless) || string(out) != "kept" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestPaletteIsLossless(t *testing.T) {
	t.Parallel()
	m := imagingtest.Paletted(imagingtest.Graphic(211, 97))
	got := decode(t, encode(t, m, webp.Options{}))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			a, b := color.NRGBAModel.Convert(m.At(x, y)), color.NRGBAModel.Convert(got.At(x, y))
			if a != b {
				t.Fatalf("%v became %v at %d,%d", a, b, x, y)
			}
		}
	}
}

func TestAppendRejects(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		m    image.Image
		want string
	}{
		"no pixels":  {image.NewGray(image.Rect(0, 0, 0, 4)), sizeError(0, 4)},
		"too wide":   {image.NewGray(image.Rect(0, 0, maxSide+1, 1)), sizeError(maxSide+1, 1)},
		"too high":   {image.NewRGBA(image.Rect(0, 0, 1, maxSide+1)), sizeError(1, maxSide+1)},
		"4:2:2":      {image.NewYCbCr(image.Rect(0, 0, 8, 8), image.YCbCrSubsampleRatio422), "webp: cannot encode YCbCrSubsampleRatio422: unsupported operation"},
		"other type": {image.NewCMYK(image.Rect(0, 0, 8, 8)), "webp: cannot encode *image.CMYK: unsupported operation"},
		"short":      {&image.Gray{Pix: make([]byte, 10), Stride: 8, Rect: image.Rect(0, 0, 8, 8)}, "webp: encoder panicked: "},
	} {
		out, err := webp.Append([]byte("kept"), test.m, webp.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || string(out) != "kept" {
			t.Errorf("%s: %q, error %v, want %q", name, out, err, test.want)
		}
		if strings.HasSuffix(test.want, "unsupported operation") && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: error %v is not ErrUnsupported", name, err)
		}
	}
}

// maxSide is the longest side of a WebP picture.
const maxSide = 16383

func sizeError(width, height int) string {
	return fmt.Sprintf("webp: cannot encode %dx%d pixels: sides must be 1 to 16383", width, height)
}

func TestAppendLongestSides(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{maxSide, 1}, {1, maxSide}} {
		m := image.NewGray(image.Rectangle{Max: size})
		for i := range m.Pix {
			m.Pix[i] = byte(i >> 4)
		}
		for _, lossless := range []bool{false, true} {
			if got := decode(t, encode(t, m, webp.Options{Lossless: lossless})); got.Bounds().Size() != size {
				t.Errorf("%v became %v", size, got.Bounds())
			}
		}
	}
}

// A part of a picture is encoded like a picture of the same pixels.
func TestAppendPartOfPicture(t *testing.T) {
	t.Parallel()
	whole := planar(imagingtest.Photo(100, 80, 5))
	part := whole.SubImage(image.Rect(20, 10, 68, 58)).(*image.YCbCr)
	alone := image.NewYCbCr(image.Rect(0, 0, 48, 48), image.YCbCrSubsampleRatio420)
	for y := range 48 {
		for x := range 48 {
			alone.Y[alone.YOffset(x, y)] = whole.Y[whole.YOffset(20+x, 10+y)]
			alone.Cb[alone.COffset(x, y)] = whole.Cb[whole.COffset(20+x, 10+y)]
			alone.Cr[alone.COffset(x, y)] = whole.Cr[whole.COffset(20+x, 10+y)]
		}
	}
	if !bytes.Equal(encode(t, part, webp.Options{}), encode(t, alone, webp.Options{})) {
		t.Error("the file of the part differs")
	}
}
