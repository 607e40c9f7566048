package process_test

import (
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/imagingtest/hostile"
	"vitrine/imaging/process"
)

// The most CPU time and allocated bytes that a picture may cost within the limits of modest.
const (
	fuzzTime  = 3 * time.Second
	fuzzBytes = 48 << 20
	fuzzFile  = 1 << 15 // the longest file
)

// bounded fails if do costs more.
func bounded(t *testing.T, do func()) {
	t.Helper()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before, began := sample[0].Value.Uint64(), processTime()
	do()
	metrics.Read(sample)
	if n := sample[0].Value.Uint64() - before; n > fuzzBytes {
		t.Errorf("%d bytes allocated", n)
	}
	if took := processTime() - began; took > fuzzTime {
		t.Errorf("%v of CPU time", took)
	}
}

// fuzzProcess processes any bytes that start like the format, as they are or with the marker
// in all places of metadata.
func fuzzProcess(f *testing.F, format string) {
	for _, file := range hostile.Sources()[format] {
		f.Add(file.Body, false)
		f.Add(file.Body, true)
	}
	for _, file := range append(hostile.Lies(), hostile.Polyglots()...) {
		if strings.HasPrefix(file.Name, format) && len(file.Body) <= fuzzFile {
			f.Add(file.Body, false)
		}
	}
	p := process.New(modest)
	f.Fuzz(func(t *testing.T, src []byte, marked bool) {
		if len(src) > fuzzFile {
			return
		}
		if format == "png" {
			hostile.Repair(src)
		}
		if got, err := imaging.Sniff(src); err != nil || string(got) != format {
			return
		}
		if marked {
			src = hostile.Marked(format, src)
		}
		bounded(t, func() { survive(t, p, modest.Limits, format, src) })
	})
}

func FuzzJPEG(f *testing.F) { fuzzProcess(f, "jpeg") }

func FuzzPNG(f *testing.F) { fuzzProcess(f, "png") }

func FuzzGIF(f *testing.F) { fuzzProcess(f, "gif") }

func FuzzWebP(f *testing.F) { fuzzProcess(f, "webp") }

// FuzzEXIF uses any bytes as the metadata of valid pictures. They are processed all the same,
// with the same orientation in all formats.
func FuzzEXIF(f *testing.F) {
	for _, block := range hostile.EXIF() {
		f.Add(block.Body)
	}
	for o := range 10 {
		f.Add(imagingtest.EXIF(o))
		f.Add(hostile.Whereabouts(o))
	}
	p := process.New(modest)
	f.Fuzz(func(t *testing.T, block []byte) {
		if len(block) > fuzzFile {
			return
		}
		o := process.EXIFOrientation(block)
		if o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
		for format, src := range hostile.WithEXIF(block) {
			bounded(t, func() {
				got, err := p.Process(t.Context(), src, process.Options{})
				if err != nil {
					t.Fatalf("%s: %v", format, err)
				}
				defer got.Release()
				checkSane(t, modest.Limits, format, got)
				if wide := got.Width > got.Height; wide == (o >= 5) {
					t.Errorf("%s of orientation %d is %d x %d", format, o, got.Width, got.Height)
				}
			})
		}
	})
}

// FuzzProfile uses any bytes as the colour profile of valid pictures, which are processed all
// the same.
func FuzzProfile(f *testing.F) {
	inks := func(in []float64) [3]float64 { return [3]float64{100 - 99*in[3], 0, 0} }
	light := func(in []float64) [3]float64 { return [3]float64{100 * in[1], 0, 0} }
	for _, profile := range [][]byte{
		imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve()), imagingtest.MatrixProfile(imagingtest.AdobeRGB, imagingtest.GammaCurve(2.2)),
		imagingtest.MatrixProfile(imagingtest.ProPhoto, imagingtest.SampledCurve(5, func(v float64) float64 { return v * v })),
		imagingtest.GrayProfile(imagingtest.GammaCurve(1.8)), imagingtest.TableProfile("RGB ", "mft1", 2, light), imagingtest.TableProfile("RGB ", "mAB ", 2, light),
		imagingtest.TableProfile("CMYK", "mft2", 2, inks), imagingtest.TableProfile("CMYK", "mAB ", 2, inks), nil, []byte("acsp"),
	} {
		for kind := range uint8(len(profiled(nil))) {
			f.Add(profile, kind)
		}
	}
	p := process.New(modest)
	f.Fuzz(func(t *testing.T, profile []byte, kind uint8) {
		if len(profile) > fuzzFile {
			return
		}
		files := profiled(profile)
		bounded(t, func() {
			src := files[int(kind)%len(files)]
			if got := survive(t, p, modest.Limits, "picture", src); got != hostile.Ready {
				t.Errorf("picture of kind %d: %s", kind, got)
			}
		})
	})
}

// profiled returns a picture with the profile for each kind of colour conversion.
func profiled(profile []byte) [][]byte {
	bare := unprofiled()
	files := make([][]byte, 0, 8)
	for _, png := range bare["png"] {
		files = append(files, imagingtest.PNGWithICC(png, profile))
	}
	for _, jpeg := range bare["jpeg"] {
		files = append(files, imagingtest.JPEGWithICC(jpeg, profile, 60000))
	}
	return append(files, imagingtest.WebPWithICC(bare["webp"][0], profile, 12, 9))
}

var unprofiled = sync.OnceValue(func() map[string][][]byte {
	m := imagingtest.Corners(12, 9)
	return map[string][][]byte{
		"png": {
			imagingtest.PNG(imagingtest.Logo(12, 9)), imagingtest.RarePNG(m, imagingtest.PNGKind{Colour: 6, Depth: 16}),
			imagingtest.RarePNG(m, imagingtest.PNGKind{Colour: 0, Depth: 16}),
		},
		"jpeg": {
			sampled(m, false, -1, 0x11), sampled(m, false, -1, 0x22, 0x11, 0x11), sampled(m, false, 0, 0x11, 0x11, 0x11, 0x11),
		},
		"webp": {imagingtest.WebP(m)},
	}
})
