package process_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
)

// bodyLimit is the default of FETCH_MAX_BYTES.
const bodyLimit = 20 << 20

func write(t *testing.T, dir, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// deepPNG returns an opaque PNG of 16 bits a sample with fast compression.
func deepPNG(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA64(image.Rect(0, 0, w, h))
	row := m.Pix[:m.Stride]
	for i := range row {
		row[i] = byte(i / 64)
		if i%8 >= 6 {
			row[i] = 0xff
		}
	}
	for y := 1; y < h; y++ {
		copy(m.Pix[y*m.Stride:], row)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Eight workers with pictures of every size, while other pictures get WebP variants, stay
// within the memory budget. Small pictures do not wait until the large ones are finished.
func TestMemoryStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small := make([]string, 4)
	for i := range small {
		small[i] = write(t, dir, fmt.Sprintf("small%d.jpg", i), imagingtest.JPEG(imagingtest.Photo(500+100*i, 400, int64(i)), 85, 1))
	}
	photo := write(t, dir, "photo.jpg", imagingtest.JPEG(image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420), 90, 1))
	fine := write(t, dir, "fine.jpg", imagingtest.LargeProgressive(7746, 5163, 1, 0x11, 0x11, 0x11))
	progressive := write(t, dir, "progressive.jpg", imagingtest.LargeProgressive(7746, 5163, 1, 0x22, 0x11, 0x11))
	full := write(t, dir, "full.jpg", imagingtest.LargeProgressive(3999, 3999, 1, 0x11, 0x11, 0x11))
	deep := write(t, dir, "deep.png", deepPNG(t, 4400, 3500))
	files := []string{
		write(t, dir, "second-cut-out.png", imagingtest.PNG(imagingtest.Logo(1600, 1100))),
		write(t, dir, "second-square.png", imagingtest.PNG(imagingtest.Logo(1600, 1600))), // only the size large fits
		write(t, dir, "second-photo.jpg", imagingtest.JPEG(imagingtest.Photo(1800, 1500, 1), 90, 1)),
	}
	for range 3 {
		large := []string{fine, deep, progressive, full, photo, progressive, fine, deep, progressive, full}
		for i, name := range large {
			files = append(files, name)
			files = append(files, small[i%4], small[(i+1)%4], small[(i+2)%4])
		}
	}
	var got load
	child(t, "load", &got, files...)
	if len(got.Errors) > 0 {
		t.Errorf("%d of %d pictures: %v", len(got.Errors), len(files), got.Errors[0])
	}
	if got.Peak > loadBudget+150_000_000 {
		t.Errorf("peak memory is %d MB with a budget of %d MB", got.Peak/1e6, loadBudget/1_000_000)
	}
	if got.Overtaken > loadWorkers {
		t.Errorf("a small picture was overtaken by %d large ones", got.Overtaken)
	}
	t.Logf("peak memory %d MB; a small picture was overtaken by at most %d large ones", got.Peak/1e6, got.Overtaken)
}

// A file of the largest download size costs at most two seconds of CPU time, however many
// passes over the picture it asks for.
func TestScanBombCostsTwoSecondsAtMost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill := func(draw func(scans int) []byte) []byte {
		one, two := len(draw(1)), len(draw(2))
		return draw(1 + (bodyLimit-one)/(two-one))
	}
	bomb := func(side int) []byte {
		return fill(func(scans int) []byte { return imagingtest.ScanBomb(side, scans) })
	}
	refined := func(w, h int, sampling ...byte) []byte {
		return fill(func(scans int) []byte { return imagingtest.LargeProgressive(w, h, scans, sampling...) })
	}
	for name, src := range map[string][]byte{
		"at half size":           bomb(6324),
		"at full size":           bomb(3999),
		"small":                  bomb(300),
		"refined at half size":   refined(6324, 6324, 0x11),
		"refined at full size":   refined(3999, 3999, 0x11),
		"refined, small":         refined(500, 500, 0x11, 0x11, 0x11),
		"refined, three colours": refined(7746, 5163, 0x11, 0x11, 0x11),
		"refined, inks":          refined(2500, 2500, 0x11, 0x11, 0x11, 0x11),
	} {
		if len(src) > bodyLimit || len(src) < bodyLimit*9/10 {
			t.Errorf("%s: %d bytes", name, len(src))
		}
		var got cost
		child(t, "cost", &got, write(t, dir, "bomb.jpg", src))
		if got.CPU > 2*time.Second {
			t.Errorf("%s: %v of CPU time", name, got.CPU)
		}
		if !slices.Contains([]imaging.Code{"", imaging.CodeDecodeTimeout}, got.Code) {
			t.Errorf("%s ended as %s", name, got.Code)
		}
		t.Logf("%s: %d bytes, %v of CPU time, %q", name, len(src), got.CPU, got.Code)
	}
}
