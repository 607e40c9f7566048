package process_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"runtime"
	"strings"
	"testing"

	"vitrine/imaging/icc"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

// patch is the side of a field of one colour. It is so large that compression does not change
// the middle.
const patch = 32

// patches returns a picture with fields of 49 colours.
func patches(colour func(x, y int) color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 7*patch, 7*patch))
	for i := range 7 * patch * 7 * patch {
		x, y := i%(7*patch), i/(7*patch)
		m.SetNRGBA(x, y, colour(x/patch, y/patch))
	}
	return m
}

func fields() *image.NRGBA {
	return patches(func(x, y int) color.NRGBA {
		return color.NRGBA{byte(20 + 35*x), byte(20 + 35*y), byte(30 + 15*(x+6-y)), 255}
	})
}

func sheerFields() *image.NRGBA {
	return patches(func(x, y int) color.NRGBA {
		return color.NRGBA{byte(20 + 35*x), byte(20 + 35*y), 128, byte(255 - 20*(x+y)%130)}
	})
}

func grayFields() *image.NRGBA {
	return patches(func(x, y int) color.NRGBA {
		v := byte(5 * (7*y + x))
		return color.NRGBA{v, v, v, 255}
	})
}

func lab(c color.Color) imagingtest.Lab {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return imagingtest.LabFromSRGB(float64(n.R), float64(n.G), float64(n.B))
}

// compareFields returns the largest CIEDE2000 between the middles of fields.
func compareFields(got image.Image, want func(x, y int) color.Color) (worst float64) {
	for i := range 49 {
		x, y := i%7, i/7
		p := got.At(x*patch+patch/2, y*patch+patch/2)
		worst = math.Max(worst, imagingtest.CIEDE2000(lab(p), lab(want(x, y))))
	}
	return worst
}

// converted returns the colours of a picture's fields after conversion by a profile.
func converted(t *testing.T, profile []byte, m image.Image) func(x, y int) color.Color {
	t.Helper()
	transform, err := icc.Parse(profile)
	if err != nil {
		t.Fatal(err)
	}
	return func(x, y int) color.Color {
		at := m.At(x*patch+patch/2, y*patch+patch/2)
		c := color.NRGBAModel.Convert(at).(color.NRGBA)
		pixel := []byte{c.R, c.G, c.B, c.A}
		if transform.Space() == icc.CMYK {
			k := color.CMYKModel.Convert(at).(color.CMYK)
			transform.CMYK(pixel, [4][]byte{{k.C}, {k.M}, {k.Y}, {k.K}})
		} else {
			transform.RGB(pixel)
		}
		return color.NRGBA{pixel[0], pixel[1], pixel[2], pixel[3]}
	}
}

func sRGBCurve(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// press returns an invented printing profile.
func press() []byte {
	return imagingtest.TableProfile("CMYK", "mft2", 9, func(in []float64) [3]float64 {
		light := (1 - in[3]) * (1 - 0.5*in[1])
		return [3]float64{95 * light * (1 - 0.4*in[0]), 60*(in[1]-in[0])*(1-in[3]) + 2, 70*(in[2]-0.4*in[0]-0.2*in[1])*(1-in[3]) - 3}
	})
}

// Pictures with a profile are converted to sRGB, to a CIEDE2000 of 1.5, most of which is due to
// JPEG.
func TestProcessConvertsColours(t *testing.T) {
	t.Parallel()
	rgb, sheer, gray := fields(), sheerFields(), grayFields()
	p3 := imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve())
	adobe := imagingtest.MatrixProfile(imagingtest.AdobeRGB, imagingtest.GammaCurve(2.2))
	linear := imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.GammaCurve(1))
	gamma18, linearGray := imagingtest.GrayProfile(imagingtest.GammaCurve(1.8)), imagingtest.GrayProfile(imagingtest.GammaCurve(1))
	kind := func(m image.Image, colour, depth byte) []byte {
		return imagingtest.RarePNG(m, imagingtest.PNGKind{Colour: colour, Depth: depth})
	}
	size := rgb.Rect.Size()
	frames := imagingtest.WebPWithICC(imagingtest.WebP(rgb), p3, size.X, size.Y)
	tests := []struct {
		name    string
		src     []byte
		profile []byte
		m       image.Image
	}{
		{"jpeg", imagingtest.JPEGWithICC(imagingtest.JPEG(rgb, 95, 1), p3, 60000), p3, rgb},
		{"jpeg in 17 pieces", imagingtest.JPEGWithICC(imagingtest.JPEG(rgb, 95, 1), adobe, len(adobe)/16), adobe, rgb},
		{"jpeg 4:4:4", imagingtest.JPEGWithICC(sampled(rgb, false, -1, 0x11, 0x11, 0x11), adobe, 60000), adobe, rgb},
		{"jpeg progressive", imagingtest.JPEGWithICC(sampled(rgb, true, -1, 0x22, 0x11, 0x11), p3, 60000), p3, rgb},
		{"jpeg rgb", imagingtest.JPEGWithICC(sampled(rgb, false, 0, 0x11, 0x11, 0x11), p3, 60000), p3, rgb},
		{"jpeg gray", imagingtest.JPEGWithICC(sampled(gray, false, -1, 0x11), gamma18, 60000), gamma18, gray},
		{"jpeg cmyk", imagingtest.JPEGWithICC(sampled(rgb, false, 0, 0x11, 0x11, 0x11, 0x11), press(), 60000), press(), rgb},
		{"jpeg ycck", imagingtest.JPEGWithICC(sampled(rgb, true, 2, 0x11, 0x11, 0x11, 0x11), press(), 60000), press(), rgb},
		{"png", imagingtest.PNGWithICC(imagingtest.PNG(rgb), p3), p3, rgb},
		{"png 16", imagingtest.PNGWithICC(kind(rgb, 2, 16), linear), linear, rgb},
		{"png palette", imagingtest.PNGWithICC(imagingtest.PNG(imagingtest.Paletted(rgb)), p3), p3, imagingtest.Paletted(rgb)},
		{"png rgba", imagingtest.PNGWithICC(kind(sheer, 6, 8), adobe), adobe, sheer},
		{"png rgba 16", imagingtest.PNGWithICC(kind(sheer, 6, 16), linear), linear, sheer},
		{"png gray", imagingtest.PNGWithICC(kind(gray, 0, 8), gamma18), gamma18, gray},
		{"png gray 16", imagingtest.PNGWithICC(kind(gray, 0, 16), linearGray), linearGray, gray},
		{"png gray and alpha", imagingtest.PNGWithICC(kind(gray, 4, 8), gamma18), gamma18, gray},
		{"png gray and alpha 16", imagingtest.PNGWithICC(kind(gray, 4, 16), linearGray), linearGray, gray},
		{"webp", imagingtest.WebPWithICC(imagingtest.WebP(rgb), p3, size.X, size.Y), p3, rgb},
		{"webp with alpha", imagingtest.WebPWithICC(imagingtest.WebP(sheer), adobe, size.X, size.Y), adobe, sheer},
		{"webp animated", imagingtest.AnimatedFrom(frames, imagingtest.Frame{At: rgb.Rect, File: imagingtest.WebP(rgb)}), p3, rgb},
		{"png gamma", imagingtest.WithPNGChunk(imagingtest.PNG(rgb), "gAMA", binary.BigEndian.AppendUint32(nil, 55556)),
			imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.GammaCurve(1.8)), rgb},
		{"png gray gamma", imagingtest.WithPNGChunk(kind(gray, 0, 8), "gAMA", binary.BigEndian.AppendUint32(nil, 55556)), gamma18, gray},
		{"png primaries", imagingtest.WithPNGChunk(imagingtest.PNG(rgb), "cHRM", chromaticities(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)), p3, rgb},
		{"png code points", imagingtest.WithPNGChunk(imagingtest.PNG(rgb), "cICP", []byte{12, 13, 0, 1}), p3, rgb},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := mustProcess(t, test.src)
			want := converted(t, test.profile, test.m)
			d := compareFields(open(t, got.Renditions[0]), want)
			plain := compareFields(test.m, want)
			t.Logf("CIEDE2000 %.2f at most; unconverted it would be %.2f", d, plain)
			if d > 1.5 || got.Note != "" {
				t.Errorf("CIEDE2000 %.2f, note %q", d, got.Note)
			}
			if plain < 4 {
				t.Errorf("the profile makes no difference")
			}
		})
	}
}

func chromaticities(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// The conversion keeps the dark tones of a linear picture with 16 bits a sample.
func TestProcessKeepsDarkTonesOfDeepPictures(t *testing.T) {
	t.Parallel()
	m := image.NewGray16(image.Rect(0, 0, 256, 64))
	for i := range 256 * 64 {
		v := sRGBCurve(float64(i%256) / 4 / 255) // sRGB levels 0 to 64, as linear light
		m.SetGray16(i%256, i/256, color.Gray16{Y: uint16(math.Round(65535 * v))})
	}
	got := open(t, mustProcess(t, imagingtest.PNGWithICC(imagingtest.PNG(m), imagingtest.GrayProfile(imagingtest.GammaCurve(1)))).Renditions[0])
	for x := 8; x < 256; x += 8 {
		level := int(color.GrayModel.Convert(got.At(x, 32)).(color.Gray).Y)
		if want := x / 4; level < want-3 || level > want+3 {
			t.Errorf("level %d becomes %d", want, level)
		}
	}
}

// A profile that is sRGB or cannot be used leads to the same files as no profile. The note
// says if it could not be used.
func TestProcessLeavesColoursAlone(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(260, 180, 1)
	jpeg, png, webp := imagingtest.JPEG(photo, 90, 1), imagingtest.PNG(photo), imagingtest.WebP(photo)
	grayJPEG := sampled(photo, false, -1, 0x11)
	inks := sampled(photo, false, 0, 0x11, 0x11, 0x11, 0x11)
	plain := imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.SRGBCurve())
	p3 := imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve())
	chunk := func(name string, content ...byte) []byte { return imagingtest.WithPNGChunk(png, name, content) }
	twice := imagingtest.JPEGWithICC(imagingtest.JPEGWithICC(jpeg, p3, 60000), p3, 60000)
	numbered := bytes.Replace(imagingtest.JPEGWithICC(jpeg, p3, 60000), []byte("ICC_PROFILE\x00\x01"), []byte("ICC_PROFILE\x00\x00"), 1)
	missing := bytes.Replace(imagingtest.JPEGWithICC(jpeg, p3, 60000), []byte("ICC_PROFILE\x00\x01\x01"), []byte("ICC_PROFILE\x00\x01\x02"), 1)
	cut := imagingtest.WithPNGChunk(png, "iCCP", append([]byte("p\x00\x00"), 0x78, 0x9c, 1, 2, 3))
	tests := []struct {
		name       string
		src, plain []byte
		note       string // a part of it
	}{
		{"srgb jpeg", imagingtest.JPEGWithICC(jpeg, plain, 60000), jpeg, ""},
		{"srgb png", imagingtest.PNGWithICC(png, plain), png, ""},
		{"srgb webp", imagingtest.WebPWithICC(webp, plain, 260, 180), webp, ""},
		{"srgb of a gray jpeg", imagingtest.JPEGWithICC(grayJPEG, plain, 60000), grayJPEG, ""},
		{"png that says srgb", chunk("sRGB", 0), png, ""},
		{"png of usual gamma", chunk("gAMA", 0, 0, 0xb1, 0x8f), png, ""},
		{"png of usual primaries", chunk("cHRM", chromaticities(31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)...), png, ""},
		{"png of srgb code points", chunk("cICP", 1, 13, 0, 1), png, ""},
		{"damaged profile", imagingtest.JPEGWithICC(jpeg, p3[:200], 60000), jpeg, "damaged"},
		{"no profile at all", imagingtest.JPEGWithICC(jpeg, []byte("nothing of the kind"), 60000), jpeg, "damaged"},
		{"profile that is there twice", twice, jpeg, "damaged"},
		{"piece without number", numbered, jpeg, "damaged"},
		{"missing piece", missing, jpeg, "damaged"},
		{"gray profile of a colour jpeg", imagingtest.JPEGWithICC(jpeg, imagingtest.GrayProfile(imagingtest.GammaCurve(1)), 60000), jpeg, "a different colour space"},
		{"rgb profile of a gray jpeg", imagingtest.JPEGWithICC(grayJPEG, p3, 60000), grayJPEG, "a different colour space"},
		{"rgb profile of inks", imagingtest.JPEGWithICC(inks, p3, 60000), inks, "a different colour space"},
		{"device link", imagingtest.JPEGWithICC(jpeg, append([]byte{}, strings.Replace(string(p3), "mntr", "link", 1)...), 60000), jpeg, "not supported"},
		{"png with a damaged profile", cut, png, "damaged"},
		{"png with an empty profile", chunk("iCCP"), png, "damaged"},
		{"png whose profile is longer than it can be", imagingtest.PNGWithICC(png, append([]byte{0, 0x3f, 0xff, 0xff}, p3[4:]...)), png, "damaged"},
		{"png of no gamma", chunk("gAMA", 0, 0, 0, 0), png, "damaged"},
		{"png of short gamma", chunk("gAMA", 1), png, "damaged"},
		{"png of impossible primaries", chunk("cHRM", make([]byte, 32)...), png, "damaged"},
		{"png of high dynamic range", chunk("cICP", 9, 16, 0, 1), png, "not supported"},
	}
	for _, test := range tests {
		got, want := mustProcess(t, test.src), mustProcess(t, test.plain)
		for i := range got.Renditions {
			// The quality follows the source's length, which the profile is a part of.
			a, b := open(t, got.Renditions[i]), open(t, want.Renditions[i])
			if !bytes.Equal(got.Renditions[i].Body, want.Renditions[i].Body) && meanDifference(a, b) > 0 {
				t.Errorf("%s: %s is a different picture", test.name, got.Renditions[i].Name)
			}
		}
		if !strings.Contains(got.Note, test.note) || (got.Note == "") != (test.note == "") {
			t.Errorf("%s: note is %q", test.name, got.Note)
		}
	}
}

// A compressed profile beyond the largest size is not inflated. The test is not parallel because
// it counts what the process allocates.
func TestProfileBomb(t *testing.T) {
	var packed bytes.Buffer
	packed.WriteString("bomb\x00\x00")
	z := zlib.NewWriter(&packed)
	for range 8 {
		megabyte := make([]byte, 1<<20)
		megabyte[0] = 4 // the length, where the profile begins
		if _, err := z.Write(megabyte); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	png := imagingtest.PNG(imagingtest.Photo(64, 64, 1))
	src := imagingtest.WithPNGChunk(png, "iCCP", packed.Bytes())
	mustProcess(t, png)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := mustProcess(t, src)
	runtime.ReadMemStats(&after)
	if n := int64(after.TotalAlloc - before.TotalAlloc); n > 4<<20 {
		t.Errorf("%d bytes allocated", n)
	}
	if !strings.Contains(got.Note, "not supported") {
		t.Errorf("note is %q", got.Note)
	}
}

// TestProfilesAreEstimated is not parallel because it counts what the process allocates.
func TestProfilesAreEstimated(t *testing.T) {
	photo := imagingtest.Photo(400, 300, 1)
	large := imagingtest.TableProfile("CMYK", "mft2", 17, func(in []float64) [3]float64 { return [3]float64{100 - 50*in[3], in[0], in[1]} })
	for name, src := range map[string][]byte{
		"cmyk": imagingtest.JPEGWithICC(sampled(photo, false, 0, 0x11, 0x11, 0x11, 0x11), large, 60000),
		"deep": imagingtest.PNGWithICC(imagingtest.RarePNG(photo, imagingtest.PNGKind{Colour: 2, Depth: 16}), imagingtest.MatrixProfile(imagingtest.AdobeRGB, imagingtest.GammaCurve(2.2))),
	} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustProcess(t, src)
		runtime.ReadMemStats(&after)
		work, err := process.WorkBytes(src)
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(after.TotalAlloc - before.TotalAlloc); n > work {
			t.Errorf("%s: %d bytes allocated, %d estimated", name, n, work)
		}
	}
}
