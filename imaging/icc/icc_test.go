package icc_test

import (
	"math"
	"testing"

	"vitrine/imaging/icc"
	"vitrine/imaging/imagingtest"
)

func parse(t *testing.T, profile []byte) *icc.Transform {
	t.Helper()
	got, err := icc.Parse(profile)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// cube returns pixels of every n-th level of red, green and blue.
func cube(n int) (pix []byte) {
	for r := 0; r < 256; r += n {
		for g := 0; g < 256; g += n {
			for b := 0; b < 256; b += n {
				pix = append(pix, byte(r), byte(g), byte(b), byte(r^g))
			}
		}
	}
	return pix
}

// difference returns the largest difference from the reference, in levels and as CIEDE2000.
func difference(t *testing.T, transform *icc.Transform, want func(v vec) vec) (levels, delta float64) {
	t.Helper()
	source := cube(15)
	got := append([]byte{}, source...)
	transform.RGB(got)
	for i := 0; i < len(got); i += 4 {
		if got[i+3] != source[i+3] {
			t.Fatal("alpha has changed")
		}
		w := want(vec{float64(source[i]) / 255, float64(source[i+1]) / 255, float64(source[i+2]) / 255})
		for k := range 3 {
			levels = math.Max(levels, math.Abs(float64(got[i+k])-w[k]))
		}
		delta = math.Max(delta, imagingtest.CIEDE2000(
			imagingtest.LabFromSRGB(float64(got[i]), float64(got[i+1]), float64(got[i+2])), imagingtest.LabFromSRGB(w[0], w[1], w[2])))
	}
	return levels, delta
}

// Matrix and curve profiles convert as their colour spaces are defined, except for rounding to levels, which for dark colours
// is a CIEDE2000 of less than 1.
func TestMatrixProfiles(t *testing.T) {
	t.Parallel()
	romm := imagingtest.ParametricCurve(3, 1.8, 1, 0, 1.0/16, 1.0/32)
	tests := []struct {
		name    string
		profile []byte
		toXYZ   rows
		curve   func(float64) float64
	}{
		{"display p3", imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve()), p3ToXYZ, fromSRGB},
		{"display p3, sampled", imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SampledCurve(1024, fromSRGB)), p3ToXYZ, fromSRGB},
		{"adobe rgb", imagingtest.MatrixProfile(imagingtest.AdobeRGB, imagingtest.GammaCurve(563.0/256)), adobeToXYZ, power(563.0 / 256)},
		{"prophoto", imagingtest.MatrixProfile(imagingtest.ProPhoto, romm), photoToXYZ, fromROMM},
		{"linear p3", imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SampledCurve(0, nil)), p3ToXYZ, power(1)},
		{"gamma 1.8", imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.ParametricCurve(0, 1.8)), srgbToXYZ, power(1.8)},
		{"gamma with offset", imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.ParametricCurve(1, 2, 0.9, 0.1)), srgbToXYZ,
			func(v float64) float64 { return (0.9*v + 0.1) * (0.9*v + 0.1) }},
		{"gamma with two", imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.ParametricCurve(2, 2, 0.8, -0.1, 0.2)), srgbToXYZ,
			func(v float64) float64 { return math.Pow(math.Max(0.8*v-0.1, 0), 2) + 0.2 }},
		{"seven parameters", imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.ParametricCurve(4, 2, 0.9, 0, 0.5, 0.25, 0.05, 0.02)), srgbToXYZ,
			func(v float64) float64 {
				if v < 0.25 {
					return 0.5*v + 0.02
				}
				return 0.81*v*v + 0.05
			}},
	}
	for _, test := range tests {
		transform := parse(t, test.profile)
		levels, delta := difference(t, transform, func(v vec) vec { return reference(test.toXYZ, test.curve, v) })
		t.Logf("%s: %.2f levels, CIEDE2000 %.2f", test.name, levels, delta)
		if levels > 0.7 || delta > 1 {
			t.Errorf("%s: differs by %.2f levels, CIEDE2000 %.2f", test.name, levels, delta)
		}
		if transform.Identity() || transform.Space() != icc.RGB {
			t.Errorf("%s is treated as sRGB", test.name)
		}
	}
}

func TestPrimaries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		p     icc.Primaries
		toXYZ rows
	}{"p3": {icc.DisplayP3, p3ToXYZ}, "bt.2020": {icc.BT2020, bt2020XYZ}} {
		transform, err := icc.NewRGB(test.p, icc.Power(2.2))
		if err != nil {
			t.Fatal(err)
		}
		levels, _ := difference(t, transform, func(v vec) vec { return reference(test.toXYZ, power(2.2), v) })
		if levels > 0.7 {
			t.Errorf("%s: differs by %.2f levels", name, levels)
		}
	}
	for name, p := range map[string]icc.Primaries{
		"nothing": {}, "one point": {icc.SRGB.White, icc.SRGB.Red, icc.SRGB.Red, icc.SRGB.Red},
		"on the edge": {icc.SRGB.White, icc.SRGB.Red, [2]float64{0.3, 0}, icc.SRGB.Blue},
		"no white":    {[2]float64{0, 0}, icc.SRGB.Red, icc.SRGB.Green, icc.SRGB.Blue},
		"NaN":         {[2]float64{math.NaN(), 1}, icc.SRGB.Red, icc.SRGB.Green, icc.SRGB.Blue},
	} {
		if _, err := icc.NewRGB(p, icc.Linear); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	for name, profile := range map[string][]byte{
		"parametric": imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.SRGBCurve()),
		"sampled":    imagingtest.MatrixProfile(imagingtest.SRGB, imagingtest.SampledCurve(1024, fromSRGB)),
		"gray":       imagingtest.GrayProfile(imagingtest.SRGBCurve()),
	} {
		transform := parse(t, profile)
		if !transform.Identity() {
			t.Errorf("%s is not recognized as sRGB", name)
		}
	}
}

func TestGray(t *testing.T) {
	t.Parallel()
	lightness := imagingtest.Profile("GRAY", "Lab ", imagingtest.Tag{Name: "kTRC", Content: imagingtest.SampledCurve(0, nil)})
	for name, test := range map[string]struct {
		profile []byte
		curve   func(float64) float64
	}{
		"gamma 2.2":  {imagingtest.GrayProfile(imagingtest.GammaCurve(2.2)), power(563.0 / 256)},
		"gamma 1.8":  {imagingtest.GrayProfile(imagingtest.ParametricCurve(0, 1.8)), power(1.8)},
		"dot gain":   {imagingtest.GrayProfile(imagingtest.SampledCurve(256, func(v float64) float64 { return v * v * (1.4 - 0.4*v) })), func(v float64) float64 { return v * v * (1.4 - 0.4*v) }},
		"linear":     {imagingtest.GrayProfile(imagingtest.SampledCurve(0, nil)), power(1)},
		"lightness":  {lightness, func(v float64) float64 { return fromSRGB(labReference([3]float64{100 * v, 0, 0})[1] / 255) }},
		"two points": {imagingtest.GrayProfile(imagingtest.SampledCurve(2, func(v float64) float64 { return 1 - v })), func(v float64) float64 { return 1 - v }},
	} {
		transform := parse(t, test.profile)
		row, pixels := make([]byte, 256), make([]byte, 4*256)
		for i := range row {
			row[i] = byte(i)
			pixels[4*i], pixels[4*i+1], pixels[4*i+2], pixels[4*i+3] = byte(i), byte(i), byte(i), 7
		}
		transform.Gray(row)
		transform.RGB(pixels)
		for i, got := range row {
			want := 255 * toSRGB(test.curve(float64(i)/255))
			if math.Abs(float64(got)-want) > 0.7 {
				t.Errorf("%s: %d becomes %d, want %.2f", name, i, got, want)
			}
			if p := pixels[4*i:]; p[0] != got || p[1] != got || p[2] != got || p[3] != 7 {
				t.Errorf("%s: a pixel of %d becomes %v", name, i, p[:4])
			}
		}
	}
}

// Tables are interpolated between sRGB colours, not Lab colours. The error depends on the number of points.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		form       string
		size       int
		mean, most float64 // CIEDE2000
	}{{"mft1", 9, 0.6, 8}, {"mft2", 9, 0.5, 8}, {"mft2", 17, 0.3, 1.5}, {"mAB ", 9, 0.5, 8}} {
		transform := parse(t, imagingtest.TableProfile("CMYK", test.form, test.size, inkLab))
		sum, worst, n := 0.0, 0.0, 0
		const width = 10
		var inks [4][]byte
		for k := range inks {
			inks[k] = make([]byte, width)
		}
		out := make([]byte, 4*width)
		for i := range width * width * width {
			for k := range width {
				inks[0][k], inks[1][k] = byte(28*(i%width)), byte(28*(i/width%width))
				inks[2][k], inks[3][k] = byte(28*(i/width/width)), byte(28*k)
			}
			transform.CMYK(out, inks)
			for k := range width {
				at := []float64{float64(inks[0][k]) / 255, float64(inks[1][k]) / 255, float64(inks[2][k]) / 255, float64(inks[3][k]) / 255}
				want, p := labReference(inkLab(at)), out[4*k:]
				d := imagingtest.CIEDE2000(imagingtest.LabFromSRGB(want[0], want[1], want[2]), imagingtest.LabFromSRGB(float64(p[0]), float64(p[1]), float64(p[2])))
				sum, worst, n = sum+d, math.Max(worst, d), n+1
				if p[3] != 255 {
					t.Fatalf("not opaque: %v", p[:4])
				}
			}
		}
		mean := sum / float64(n)
		t.Logf("%s of %d: CIEDE2000 %.2f on average, up to %.2f", test.form, test.size, mean, worst)
		if mean > test.mean || worst > test.most {
			t.Errorf("%s of %d: CIEDE2000 %.2f on average, up to %.2f", test.form, test.size, mean, worst)
		}
		if transform.Identity() || transform.Space() != icc.CMYK {
			t.Errorf("%s: space %v", test.form, transform.Space())
		}
	}
	for _, form := range []string{"mft1", "mft2", "mAB "} {
		transform := parse(t, imagingtest.TableProfile("RGB ", form, 33, displayLab))
		levels, delta := difference(t, transform, func(v vec) vec { return reference(p3ToXYZ, fromSRGB, v) })
		t.Logf("%s of RGB: %.2f levels, CIEDE2000 %.2f", form, levels, delta)
		if delta > 1.5 {
			t.Errorf("%s of RGB: %.2f levels, CIEDE2000 %.2f", form, levels, delta)
		}
	}
}

// Converting 16-bit samples to 8 bits loses no visible detail, even if the samples are linear.
func TestDeep(t *testing.T) {
	t.Parallel()
	transform := parse(t, imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SampledCurve(0, nil)))
	tables, rest := transform.Deep()
	if tables == nil || rest == nil {
		t.Fatal("no tables")
	}
	for i := 0; i < 1<<16; i += 257 {
		for j := 0; j < 1<<16; j += 4369 {
			v := vec{float64(i) / 65535, float64(j) / 65535, 0.25}
			pixel := []byte{tables[0][i], tables[1][j], tables[2][16384], 255}
			rest.RGB(pixel)
			want := reference(p3ToXYZ, power(1), v)
			d := imagingtest.CIEDE2000(imagingtest.LabFromSRGB(want[0], want[1], want[2]), imagingtest.LabFromSRGB(float64(pixel[0]), float64(pixel[1]), float64(pixel[2])))
			if d > 1.2 {
				t.Fatalf("%v becomes %v, want %.1f: CIEDE2000 %.2f", v, pixel, want, d)
			}
		}
	}
	if tables, rest := parse(t, imagingtest.GrayProfile(imagingtest.GammaCurve(1))).Deep(); tables == nil || rest != nil {
		t.Error("linear gray needs more than its tables")
	} else if got := tables[0][20]; got != 1 { // of 65,535: 1.0 of 255 in sRGB
		t.Errorf("dark gray becomes %d", got)
	}
	if tables, _ := parse(t, imagingtest.TableProfile("RGB ", "mft1", 3, displayLab)).Deep(); tables != nil {
		t.Error("a table profile returns curves for 16 bits")
	}
}
