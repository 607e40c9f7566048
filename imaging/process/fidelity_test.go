package process_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/imagingtest/hostile"
	"vitrine/imaging/process"
)

// closeEnough is the largest CIEDE2000 that two quantisations by JPEG cause. Most fields
// differ by less than one.
const closeEnough = 2

// encodings returns an opaque colour picture in every encoding.
func encodings(m image.Image) map[string][]byte {
	files := map[string][]byte{
		"png": imagingtest.PNG(m), "webp": imagingtest.WebP(m), "webp animated": imagingtest.AnimatedWebP(m.Bounds().Size(), imagingtest.Frame{At: m.Bounds(), File: imagingtest.WebP(m)}),
		"jpeg standard": imagingtest.JPEG(m, 95, 1),
		"jpeg rgb":      sampled(m, false, 0, 0x11, 0x11, 0x11),
	}
	for name, sampling := range samplings {
		if len(sampling) == 3 {
			files["jpeg "+name] = sampled(m, false, -1, sampling...)
			files["jpeg progressive "+name] = sampled(m, true, -1, sampling...)
		}
	}
	for name, sampling := range map[string][]byte{"": {0x11, 0x11, 0x11, 0x11}, " 4:2:0": {0x22, 0x11, 0x11, 0x22}} {
		for _, progressive := range []bool{false, true} {
			files[fmt.Sprintf("jpeg cmyk%s %v", name, progressive)] = sampled(m, progressive, 0, sampling...)
			files[fmt.Sprintf("jpeg cmyk without a marker%s %v", name, progressive)] = sampled(m, progressive, -1, sampling...)
			files[fmt.Sprintf("jpeg ycck%s %v", name, progressive)] = sampled(m, progressive, 2, sampling...)
		}
	}
	for _, colour := range []byte{2, 6} {
		for _, depth := range []byte{8, 16} {
			for _, interlaced := range []bool{false, true} {
				kind := imagingtest.PNGKind{Colour: colour, Depth: depth, Interlaced: interlaced}
				files[fmt.Sprintf("png %+v", kind)] = imagingtest.RarePNG(m, kind)
			}
		}
	}
	return files
}

// Every encoding of a picture keeps its colours to a CIEDE2000 of two. Unlike a mean over a
// photograph, this finds a single wrong colour.
func TestProcessKeepsColours(t *testing.T) {
	t.Parallel()
	m := fields()
	want := func(x, y int) color.Color { return m.At(x*patch+patch/2, y*patch+patch/2) }
	files := encodings(m)
	files["gif"], files["png palette"] = imagingtest.GIF(m), imagingtest.PNG(imagingtest.Paletted(m))
	for name, src := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expected := want
			if name == "gif" || name == "png palette" {
				p := imagingtest.Paletted(m)
				expected = func(x, y int) color.Color { return p.At(x*patch+patch/2, y*patch+patch/2) }
			}
			if d := compareFields(open(t, mustProcess(t, src).Renditions[0]), expected); d > closeEnough {
				t.Errorf("CIEDE2000 %.2f", d)
			}
		})
	}
}

func TestProcessKeepsGrayAndTransparency(t *testing.T) {
	t.Parallel()
	gray, sheer := grayFields(), sheerFields()
	holes := imagingtest.Paletted(sheer) // half transparent fields become completely transparent
	keyed := fields()
	key := keyed.NRGBAAt(0, 0)
	for i := range 7 * patch * 7 * patch {
		if x, y := i%(7*patch), i/(7*patch); keyed.NRGBAAt(x, y) == key {
			keyed.SetNRGBA(x, y, color.NRGBA{})
		}
	}
	grayKey := grayFields()
	for i := range 7 * patch * 7 * patch {
		if x, y := i%(7*patch), i/(7*patch); grayKey.NRGBAAt(x, y).R == 50 {
			grayKey.SetNRGBA(x, y, color.NRGBA{})
		}
	}
	sheerGray := patches(func(x, y int) color.NRGBA {
		v := byte(40 * x)
		return color.NRGBA{v, v, v, byte(255 - 35*y)}
	})
	rare := func(m image.Image, colour, depth byte, interlaced bool, transparent color.Color) []byte {
		return imagingtest.RarePNG(m, imagingtest.PNGKind{Colour: colour, Depth: depth, Interlaced: interlaced, Transparent: transparent})
	}
	type file struct {
		src  []byte
		want image.Image
	}
	files := map[string]file{
		"gray jpeg": {sampled(gray, false, -1, 0x11), gray}, "gray progressive": {sampled(gray, true, -1, 0x22), gray},
		"palette with transparency": {imagingtest.PNG(holes), holes}, "gif with transparency": {imagingtest.GIF(sheer), holes},
		"colour made transparent":    {rare(fields(), 2, 8, false, key), keyed},
		"colour of 16 bits":          {rare(fields(), 2, 16, true, key), keyed},
		"gray made transparent":      {rare(grayFields(), 0, 8, false, color.Gray{Y: 50}), grayKey},
		"gray of 16 bits":            {rare(grayFields(), 0, 16, false, color.Gray{Y: 50}), grayKey},
		"webp with alpha":            {imagingtest.WebP(sheer), sheer},
		"gray made clear interlaced": {rare(grayFields(), 0, 8, true, color.Gray{Y: 50}), grayKey},
	}
	for _, depth := range []byte{8, 16} {
		for _, interlaced := range []bool{false, true} {
			name := fmt.Sprintf("%d %v", depth, interlaced)
			files["gray "+name] = file{rare(gray, 0, depth, interlaced, nil), gray}
			files["gray and alpha "+name] = file{rare(sheerGray, 4, depth, interlaced, nil), sheerGray}
			files["rgba "+name] = file{rare(sheer, 6, depth, interlaced, nil), sheer}
		}
	}
	for name, f := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, mustProcess(t, f.src).Renditions[0])
			for i := range 49 {
				x, y := i%7*patch+patch/2, i/7*patch+patch/2
				got, want := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(f.want.At(x, y)).(color.NRGBA)
				if d := int(got.A) - int(want.A); d < -1 || d > 1 {
					t.Fatalf("field %d: alpha is %d, want %d", i, got.A, want.A)
				}
				if want.A == 0 {
					continue
				}
				if d := imagingtest.CIEDE2000(lab(got), lab(want)); d > closeEnough {
					t.Errorf("field %d: %v, want %v: CIEDE2000 %.2f", i, got, want, d)
				}
			}
		})
	}
}

// Pictures of one pixel's width or height keep their colours in every encoding.
func TestProcessOfLinesAndDots(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {1, 12000}, {2, 3}, {17, 1}} {
		m := image.NewNRGBA(image.Rectangle{Max: size})
		draw.Draw(m, m.Rect, image.NewUniform(color.NRGBA{0xe8, 0x5d, 0x2a, 255}), image.Point{}, draw.Src)
		files := encodings(m)
		files["gif"] = imagingtest.GIF(m)
		for name, src := range files {
			t.Run(fmt.Sprintf("%v %s", size, name), func(t *testing.T) {
				t.Parallel()
				got := mustProcess(t, src)
				want := m.At(0, 0)
				if name == "gif" {
					want = imagingtest.Paletted(m).At(0, 0)
				}
				if got.Width != size.X || got.Height != size.Y {
					t.Errorf("%d x %d", got.Width, got.Height)
				}
				for _, r := range got.Renditions {
					p := open(t, r)
					for _, at := range []image.Point{{0, 0}, {r.Width / 2, r.Height / 2}, {r.Width - 1, r.Height - 1}} {
						if d := imagingtest.CIEDE2000(lab(p.At(at.X, at.Y)), lab(want)); d > closeEnough {
							t.Errorf("%s: CIEDE2000 %.2f at %v", r.Name, d, at)
						}
					}
				}
			})
		}
	}
}

// In every format with an orientation, each orientation puts every field in its place with its
// colour, also if the colours are converted.
func TestProcessTurnsColours(t *testing.T) {
	t.Parallel()
	m, gray := fields(), grayFields()
	p3 := imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve())
	for o := 1; o <= 8; o++ {
		stored, storedGray := imagingtest.Stored(m, o), imagingtest.Stored(gray, o)
		exif := func(file []byte) []byte { return imagingtest.WithEXIF(file, imagingtest.EXIF(o)) }
		type file struct {
			src  []byte
			want image.Image
		}
		files := map[string]file{
			"png":  {imagingtest.RarePNG(stored, imagingtest.PNGKind{Colour: 2, Depth: 8, Orientation: o}), m},
			"webp": {imagingtest.WebPWithEXIF(imagingtest.WebP(stored), stored.Rect.Size(), o), m},
			"gray": {exif(sampled(storedGray, false, -1, 0x11)), gray},
			"inks": {exif(sampled(stored, false, 2, 0x11, 0x11, 0x11, 0x11)), m},
			"p3":   {exif(imagingtest.JPEGWithICC(imagingtest.JPEG(stored, 95, 1), p3, 60000)), nil},
			"cmyk": {exif(imagingtest.JPEGWithICC(sampled(stored, false, 0, 0x11, 0x11, 0x11, 0x11), press(), 60000)), nil},
		}
		for name, sampling := range samplings {
			if len(sampling) == 3 && (name == "4:2:0" || o%4 == int(sampling[0]+sampling[0]>>4)%4) {
				files[name] = file{exif(sampled(stored, o%2 == 0, -1, sampling...)), m}
			}
		}
		for name, f := range files {
			t.Run(fmt.Sprintf("%s %d", name, o), func(t *testing.T) {
				t.Parallel()
				var want func(x, y int) color.Color
				switch name {
				case "p3":
					want = converted(t, p3, m)
				case "cmyk":
					want = converted(t, press(), m)
				default:
					want = func(x, y int) color.Color { return f.want.At(x*patch+patch/2, y*patch+patch/2) }
				}
				if d := compareFields(open(t, mustProcess(t, f.src).Renditions[0]), want); d > closeEnough {
					t.Errorf("CIEDE2000 %.2f", d)
				}
			})
		}
	}
}

// Only the picture of a source is stored: no metadata, no names or comments, and nothing that
// follows its end.
func TestProcessStripsEverythingElse(t *testing.T) {
	t.Parallel()
	photo, logo := imagingtest.Photo(300, 200, 1), imagingtest.Logo(264, 248)
	tests := map[string][]byte{
		"jpeg": imagingtest.JPEG(photo, 90, 1), "jpeg small": imagingtest.JPEG(imagingtest.Photo(20, 20, 2), 50, 1),
		"jpeg progressive": sampled(photo, true, -1, 0x22, 0x11, 0x11), "jpeg inks": sampled(photo, false, 0, 0x11, 0x11, 0x11, 0x11),
		"jpeg gray": sampled(photo, false, -1, 0x11),
		"png":       imagingtest.PNG(photo), "png transparent": imagingtest.PNG(logo), "png palette": imagingtest.PNG(imagingtest.Paletted(logo)),
		"gif": imagingtest.AnimatedGIF(logo, image.Rect(4, 4, 50, 40)), "webp": imagingtest.WebP(photo),
		"webp animated": imagingtest.AnimatedWebP(logo.Rect.Size(), imagingtest.Frame{At: logo.Rect, File: imagingtest.WebP(logo)}),
	}
	for name, file := range tests {
		format, _, _ := strings.Cut(name, " ")
		src := hostile.Marked(format, file)
		if bytes.Count(src, hostile.Marker) < 4 {
			t.Fatalf("%s is not marked", name)
		}
		for _, r := range mustProcess(t, src).Renditions {
			if hostile.Holds(r.Body) {
				t.Errorf("%s: %s contains metadata of the source", name, r.Object)
			}
			checkBare(t, name, r)
		}
	}
}

// checkBare fails for parts of a file that are not needed for its picture.
func checkBare(t *testing.T, name string, r process.Rendition) {
	t.Helper()
	var foreign []string
	if r.Format == imaging.PNG {
		for rest := r.Body[8:]; len(rest) >= 12; {
			size := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
			switch chunk := string(rest[4:8]); chunk {
			case "IHDR", "PLTE", "tRNS", "IDAT", "IEND":
			default:
				foreign = append(foreign, chunk)
			}
			rest = rest[12+size:]
		}
	} else {
		for rest := r.Body[2:]; rest[1] != 0xda; rest = rest[2+int(rest[2])<<8+int(rest[3]):] {
			if rest[1] >= 0xe0 {
				foreign = append(foreign, fmt.Sprintf("segment %x", rest[1]))
			}
		}
		if !bytes.HasSuffix(r.Body, []byte{0xff, 0xd9}) {
			foreign = append(foreign, "tail")
		}
	}
	if len(foreign) > 0 {
		t.Errorf("%s: %s has %v", name, r.Object, foreign)
	}
}

// A photograph keeps its mean colour in every encoding to a fraction of a level. A bias would
// be visible where two pictures touch.
func TestProcessHasNoBias(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(150, 100, 3)
	want := meanColour(photo)
	for name, src := range encodings(photo) {
		got := meanColour(open(t, mustProcess(t, src).Renditions[0]))
		for c := range got {
			if d := math.Abs(got[c] - want[c]); d > 1 {
				t.Errorf("%s: channel %d has a mean of %.2f, want %.2f", name, c, got[c], want[c])
			}
		}
	}
}

func meanColour(m image.Image) (mean [3]float64) {
	size := m.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			for c, v := range onWhite(m, x, y) {
				mean[c] += v / float64(size.X*size.Y)
			}
		}
	}
	return mean
}
