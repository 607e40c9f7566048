package icc_test

import (
	"bytes"
	"errors"
	"testing"

	"vitrine/imaging/icc"
	"vitrine/imaging/imagingtest"
)

func small() map[string][]byte {
	return map[string][]byte{
		"matrix":  imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve()),
		"sampled": imagingtest.MatrixProfile(imagingtest.AdobeRGB, imagingtest.SampledCurve(4, fromSRGB)),
		"gray":    imagingtest.GrayProfile(imagingtest.GammaCurve(2.2)),
		"mft1":    imagingtest.TableProfile("RGB ", "mft1", 2, displayLab),
		"mft2":    imagingtest.TableProfile("CMYK", "mft2", 2, inkLab),
		"mAB":     imagingtest.TableProfile("CMYK", "mAB ", 2, inkLab),
	}
}

// use applies every operation to a profile.
func use(t *testing.T, data []byte) {
	t.Helper()
	transform, err := icc.Parse(data)
	if err != nil {
		if !errors.Is(err, icc.ErrMalformed) && !errors.Is(err, icc.ErrUnsupported) {
			t.Fatalf("error is %v, want ErrMalformed or ErrUnsupported", err)
		}
		return
	}
	pixels := cube(51)
	switch transform.Space() {
	case icc.CMYK:
		row := make([]byte, 256)
		for i := range row {
			row[i] = byte(i)
		}
		transform.CMYK(make([]byte, 4*256), [4][]byte{row, row, row, row})
	case icc.Gray:
		transform.Gray(bytes.Clone(pixels))
		transform.RGB(pixels)
	default:
		transform.RGB(pixels)
	}
	transform.Identity()
}

// Damage causes no panic, and large lengths and counts in a profile don't cause much work.
func TestDamagedProfiles(t *testing.T) {
	t.Parallel()
	for _, profile := range small() {
		for n := range len(profile) {
			use(t, profile[:n])
		}
		for at := range len(profile) {
			for _, v := range []byte{0, 0x80, 0xff} {
				if at > 400 && v != 0xff { // most bytes of a table are samples
					continue
				}
				damaged := bytes.Clone(profile)
				damaged[at] = v
				use(t, damaged)
			}
		}
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	change := func(profile []byte, at int, v ...byte) []byte {
		out := bytes.Clone(profile)
		copy(out[at:], v)
		return out
	}
	matrix, table := small()["matrix"], small()["mft2"]
	content := 128 + 4 + 12 // of the only tag
	bomb := change(table, content+10, 255)
	for name, test := range map[string]struct {
		profile []byte
		want    error
	}{
		"nothing":              {nil, icc.ErrMalformed},
		"header alone":         {matrix[:128], icc.ErrMalformed},
		"no signature":         {change(matrix, 36, 'x'), icc.ErrMalformed},
		"billions of tags":     {change(matrix, 128, 0xff, 0xff, 0xff, 0xff), icc.ErrMalformed},
		"more tags than bytes": {change(matrix[:200], 128, 0, 0, 0, 100), icc.ErrMalformed},
		"device link":          {change(matrix, 12, []byte("link")...), icc.ErrUnsupported},
		"six inks":             {change(table, 16, []byte("6CLR")...), icc.ErrUnsupported},
		"another connection":   {change(matrix, 20, []byte("Luv ")...), icc.ErrUnsupported},
		"no curves":            {imagingtest.Profile("GRAY", "XYZ "), icc.ErrMalformed},
		"no table":             {imagingtest.Profile("CMYK", "Lab "), icc.ErrMalformed},
		"tag beyond the end":   {change(table, 128+8, 0x7f, 0xff, 0xff, 0xff), icc.ErrMalformed},
		"grid beyond the end":  {change(table, content+10, 3), icc.ErrMalformed},
		"grid of one point":    {change(table, content+10, 1), icc.ErrMalformed},
		"grid of billions":     {bomb, icc.ErrUnsupported},
		"curve of billions":    {imagingtest.GrayProfile([]byte("curv\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00")), icc.ErrMalformed},
		"unknown curve":        {imagingtest.GrayProfile(imagingtest.ParametricCurve(9, 1)), icc.ErrMalformed},
		"curve cut off":        {imagingtest.GrayProfile(imagingtest.ParametricCurve(4, 1)), icc.ErrMalformed},
		"too large":            {append(matrix, make([]byte, icc.MaxBytes)...), icc.ErrUnsupported},
	} {
		if _, err := icc.Parse(test.profile); !errors.Is(err, test.want) {
			t.Errorf("%s: error is %v, want %v", name, err, test.want)
		}
	}
}

func TestLargestTable(t *testing.T) {
	t.Parallel()
	if _, err := icc.Parse(imagingtest.TableProfile("CMYK", "mft2", 23, inkLab)); err != nil {
		t.Errorf("23 points a side: %v", err)
	}
	if _, err := icc.Parse(imagingtest.TableProfile("CMYK", "mft1", 24, inkLab)); !errors.Is(err, icc.ErrUnsupported) {
		t.Errorf("24 points a side: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, profile := range small() {
		f.Add(profile)
	}
	f.Fuzz(func(t *testing.T, data []byte) { use(t, data) })
}

func BenchmarkRGB(b *testing.B) {
	for name, profile := range map[string][]byte{
		"matrix": imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve()),
		"table":  imagingtest.TableProfile("RGB ", "mft2", 17, displayLab),
	} {
		transform, err := icc.Parse(profile)
		if err != nil {
			b.Fatal(err)
		}
		pixels := imagingtest.Photo(256, 256, 1).Pix
		row := make([]byte, len(pixels))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(pixels) / 4))
			for b.Loop() {
				copy(row, pixels)
				transform.RGB(row)
			}
		})
	}
}
