package process_test

import (
	"context"
	"encoding/binary"
	"errors"
	"image"
	"runtime"
	"strings"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

// sampled returns a JPEG with the sampling factors of its components: one for gray, three for
// colour, four for inks.
func sampled(m image.Image, progressive bool, transform int, sampling ...byte) []byte {
	return imagingtest.RareJPEG(m, imagingtest.Coding{Sampling: sampling, Transform: transform, Progressive: progressive})
}

// TestEstimateCoversAllocations is not parallel because it counts what the process allocates.
func TestEstimateCoversAllocations(t *testing.T) {
	photo := imagingtest.Graphic(401, 397)
	kind := func(colour, depth byte, interlaced bool) []byte {
		return imagingtest.RarePNG(photo, imagingtest.PNGKind{Colour: colour, Depth: depth, Interlaced: interlaced})
	}
	packed := imagingtest.WithPackedAlpha(imagingtest.LossyWebPFilled(401, 397, 8<<10, make([]byte, 8<<10)), imagingtest.WebP(photo))
	tests := map[string][]byte{
		"jpeg 4:2:0":             imagingtest.JPEG(photo, 90, 1),
		"jpeg gray":              sampled(photo, false, -1, 0x11),
		"jpeg 4:4:4":             sampled(photo, false, -1, 0x11, 0x11, 0x11),
		"jpeg 4:1:0":             sampled(photo, false, -1, 0x42, 0x11, 0x11),
		"jpeg cmyk":              sampled(photo, false, 0, 0x11, 0x11, 0x11, 0x11),
		"jpeg ycck 4:2:0":        sampled(photo, false, 2, 0x22, 0x11, 0x11, 0x22),
		"jpeg rgb":               sampled(photo, false, 0, 0x11, 0x11, 0x11),
		"jpeg progressive 4:4:4": sampled(photo, true, -1, 0x11, 0x11, 0x11),
		"jpeg progressive 4:2:0": sampled(photo, true, -1, 0x22, 0x11, 0x11),
		"jpeg progressive cmyk":  sampled(photo, true, 0, 0x11, 0x11, 0x11, 0x11),
		"jpeg odd factors":       sampled(photo, false, -1, 0x11, 0x22, 0x11),
		"png rgb":                kind(2, 8, false),
		"png rgb 16":             kind(2, 16, false),
		"png rgba":               kind(6, 8, false),
		"png rgba 16":            kind(6, 16, false),
		"png rgba interlaced":    kind(6, 8, true),
		"png rgba 16 interlaced": kind(6, 16, true),
		"png gray":               kind(0, 8, false),
		"png gray 16":            kind(0, 16, false),
		"png gray and alpha":     kind(4, 8, false),
		"png palette":            imagingtest.PNG(imagingtest.Paletted(photo)),
		"gif":                    imagingtest.GIF(photo),
		"webp lossless":          imagingtest.WebP(photo),
		"webp lossless drawing":  imagingtest.WebP(imagingtest.Graphic(401, 397)),
		"webp lossy":             imagingtest.LossyWebP(401, 397),
		"webp lossless alpha":    packed,
		"webp of frames": imagingtest.AnimatedWebP(image.Pt(3000, 2000),
			imagingtest.Frame{At: image.Rect(100, 100, 501, 497), File: imagingtest.LossyWebP(401, 397)}),
	}
	for name, src := range tests {
		estimate, err := process.Estimate(src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		runtime.GC() // twice, which empties the decoders' pools
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var refused *imaging.Error // Go 1.26 does not support the odd factors
		err = process.Decode(t.Context(), src, time.Minute)
		if err != nil && (!errors.As(err, &refused) || refused.Code != imaging.CodeUnsupportedFormat) {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		// The decoders' state of constant size counts as scratch memory.
		allocated := int64(after.TotalAlloc - before.TotalAlloc)
		if allocated-200<<10 > estimate {
			t.Errorf("%s: %d bytes allocated, %d estimated", name, allocated, estimate)
		}
		tables := strings.HasPrefix(name, "webp lossless")
		if !tables && estimate > 2*max(allocated, 100<<10) {
			t.Errorf("%s: %d bytes allocated, but %d estimated", name, allocated, estimate)
		}
	}
}

// A chunk that the decoder does not reach must not reduce the estimate.
func TestEstimateCountsAlphaOfAMixedWebP(t *testing.T) {
	t.Parallel()
	m := imagingtest.Graphic(60, 40)
	packed := imagingtest.WithPackedAlpha(imagingtest.LossyWebP(60, 40), imagingtest.WebP(m))
	want, err := process.Estimate(packed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := process.Estimate(imagingtest.WithWebPChunk(packed, "VP8L", []byte{0x2f}))
	if err != nil || got < want {
		t.Errorf("%d bytes (%v), %d without the chunk", got, err, want)
	}
}

func TestProcessRefusesPicturesThatNeverFitInMemory(t *testing.T) {
	t.Parallel()
	p := process.New(process.Config{MemoryBudget: 36 << 20})
	const side = 1200
	got, err := p.Process(t.Context(), imagingtest.JPEG(image.NewGray(image.Rect(0, 0, side, side)), 90, 1), process.Options{})
	if err != nil {
		t.Fatalf("baseline: %v", err)
	}
	got.Release()
	got, err = p.Process(t.Context(), imagingtest.ScanBomb(side, 1), process.Options{})
	if err != nil {
		t.Fatalf("progressive: %v", err)
	}
	got.Release()
	_, err = p.Process(t.Context(), imagingtest.PNG(image.NewNRGBA64(image.Rect(0, 0, side, side))), process.Options{})
	var refused *imaging.Error
	if !errors.As(err, &refused) || refused.Code != imaging.CodeImageTooLarge || refused.Transient {
		t.Errorf("16-bit PNG: %v", err)
	}
}

// TestDecodeEndsAtItsDeadline is not parallel because it measures time.
func TestDecodeEndsAtItsDeadline(t *testing.T) {
	slow := imagingtest.LargeProgressive(1000, 1000, 30, 0x11)
	if err := process.Decode(t.Context(), slow, time.Minute); err != nil {
		t.Fatalf("with enough time: %v", err)
	}
	inks := imagingtest.LargeProgressive(600, 600, 4, 0x11, 0x11, 0x11, 0x11)
	compressed := imagingtest.PNG(image.NewGray(image.Rect(0, 0, 6000, 6000)))
	for name, src := range map[string][]byte{"jpeg": slow, "cmyk jpeg": inks, "png": compressed} {
		p := process.New(process.Config{DecodeTimeout: 5 * time.Millisecond})
		_, err := p.Process(t.Context(), src, process.Options{})
		var got *imaging.Error
		if !errors.As(err, &got) || got.Code != imaging.CodeDecodeTimeout || got.Transient {
			t.Errorf("%s: error is %v", name, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := process.Decode(ctx, src, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error after the end of the context is %v", name, err)
		}
		cancel()
	}
}

// TestDecodeCountsPasses is not parallel because it measures time. Each scan takes 14 bytes.
// Decoding all of them would take minutes.
func TestDecodeCountsPasses(t *testing.T) {
	bomb := imagingtest.ScanBomb(3900, 20000)
	began := time.Now()
	_, err := process.New(process.Config{DecodeTimeout: time.Minute}).Process(t.Context(), bomb, process.Options{})
	var got *imaging.Error
	if !errors.As(err, &got) || got.Code != imaging.CodeDecodeTimeout || got.Transient {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if err := process.Decode(t.Context(), imagingtest.ScanBomb(64, 60), time.Minute); err != nil {
		t.Errorf("sixty scans of a small picture: %v", err)
	}
}

// Quality 25 is the lowest: below it, the tables are clipped at 255.
func TestQuality(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(32, 32, 1)
	for _, want := range []int{25, 50, 60, 75, 80, 90, 95, 100} {
		if got := process.Quality(imagingtest.JPEG(photo, want, 1)); got < want-2 || got > want+2 {
			t.Errorf("quality %d is estimated as %d", want, got)
		}
	}
	if got := process.Quality([]byte("\xff\xd8\xff\xdb\x00\x10\x00")); got != 0 {
		t.Errorf("quality %d without a table", got)
	}
}

func TestEXIFOrientation(t *testing.T) {
	t.Parallel()
	for want := 1; want <= 8; want++ {
		if got := process.EXIFOrientation(imagingtest.EXIF(want)); got != want {
			t.Errorf("orientation %d is read as %d", want, got)
		}
	}
	little := []byte("II*\x00\x0a\x00\x00\x00??\x02\x00\x0f\x01\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00")
	if got := process.EXIFOrientation(little); got != 6 {
		t.Errorf("a little-endian block is read as %d", got)
	}
	change := func(at int, v uint16) []byte {
		b := imagingtest.EXIF(6)
		binary.BigEndian.PutUint16(b[at:], v)
		return b
	}
	for name, block := range map[string][]byte{
		"nothing": nil, "short": []byte("MM\x00*"), "another order": []byte("XX\x00*\x00\x00\x00\x08\x00\x01"),
		"offset at the end": change(6, 26), "value 262": change(18, 262),
		"type long": change(12, 4), "two values": change(16, 2), "cut": imagingtest.EXIF(6)[:20], "another tag": change(10, 0x0113),
	} {
		if got := process.EXIFOrientation(block); got != 1 {
			t.Errorf("%s is read as %d", name, got)
		}
	}
	many := change(8, 0xffff)
	if got := process.EXIFOrientation(many); got != 6 {
		t.Errorf("an entry before the false end is read as %d", got)
	}
}
