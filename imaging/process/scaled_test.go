package process_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
	"vitrine/imaging/ssim"
)

// samplings are the sampling factors of colour JPEGs.
var samplings = map[string][]byte{
	"4:4:4": {0x11, 0x11, 0x11}, "4:2:2": {0x21, 0x11, 0x11}, "4:2:0": {0x22, 0x11, 0x11},
	"4:4:0": {0x12, 0x11, 0x11}, "4:1:1": {0x41, 0x11, 0x11}, "4:1:0": {0x42, 0x11, 0x11}, "gray": {0x11},
}

func reference(t *testing.T, src []byte, quality int) *process.Processed {
	t.Helper()
	want, err := process.Reference(t.Context(), src, quality)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(want.Release)
	return want
}

// A picture that is not scaled has exactly the pixels that decoding and encoding with
// image/jpeg would give.
func TestProcessKeepsThePixelsOfImageJPEG(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{640, 480}, {333, 1601}, {1600, 41}} {
		src := imagingtest.JPEG(imagingtest.Photo(size.X, size.Y, 5), 90, 1)
		if size.Y == 1601 { // a pixel above the main size
			if d := meanDifference(open(t, mustProcess(t, src).Renditions[0]), open(t, reference(t, src, 0).Renditions[0])); d > 0 {
				t.Errorf("%v: differs by %.3f", size, d)
			}
			continue
		}
		decoded, err := jpeg.Decode(bytes.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, decoded, &jpeg.Options{Quality: 80}); err != nil {
			t.Fatal(err)
		}
		want, err := jpeg.Decode(&out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := process.New(process.Config{Quality: 80}).Process(t.Context(), src, process.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(got.Release)
		if d := meanDifference(open(t, got.Renditions[0]), want); d > 0 {
			t.Errorf("%v: differs by %.3f", size, d)
		}
	}
	photo := imagingtest.Photo(301, 203, 6)
	for name, sampling := range samplings {
		for _, o := range []int{1, 6} {
			t.Run(fmt.Sprintf("%s %d", name, o), func(t *testing.T) {
				t.Parallel()
				src := sampled(photo, o == 6, -1, sampling...)
				src = imagingtest.WithEXIF(src, imagingtest.EXIF(o))
				got, want := mustProcess(t, src), reference(t, src, 0)
				for i := range got.Renditions {
					if !bytes.Equal(got.Renditions[i].Body, want.Renditions[i].Body) {
						t.Errorf("%s is a different file", got.Renditions[i].Name)
					}
				}
			})
		}
	}
}

// A picture that is decoded at a half or a quarter of its size looks like one that was decoded
// at full size, in every sampling and orientation. With odd sizes the last column and row
// stand for only a part of a pixel.
func TestProcessDecodesScaled(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{4003, 151}, {8005, 97}, {103, 4401}} {
		photo := imagingtest.Photo(size.X, size.Y, 7)
		for name, sampling := range samplings {
			for o := 1; o <= 8; o++ {
				if name != "4:2:0" && o != 1+int(sampling[0])%8 || size.X != 4003 && o > 2 {
					continue // all orientations for 4:2:0, one for each other sampling
				}
				t.Run(fmt.Sprintf("%v %s %d", size, name, o), func(t *testing.T) {
					t.Parallel()
					src := sampled(photo, o%2 == 0, -1, sampling...)
					src = imagingtest.WithEXIF(src, imagingtest.EXIF(o))
					got, err := process.New(process.Config{Quality: 80}).Process(t.Context(), src, process.Options{})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(got.Release)
					want := reference(t, src, 80)
					for i := range got.Renditions {
						compareScaled(t, got.Renditions[i], want.Renditions[i])
					}
				})
			}
		}
	}
}

// Every orientation results in the same upright picture to a fraction of a pixel: the stripes are
// two pixels of the main variant wide and differ only in chroma.
func TestProcessTurnsScaledPicturesExactly(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{4003, 83}, {83, 4003}} {
		stripes := imagingtest.Stripes(size.X, size.Y)
		upright := open(t, mustProcess(t, sampled(stripes, false, -1, 0x11, 0x11, 0x11)).Renditions[0])
		for o := 2; o <= 8; o++ {
			src := sampled(imagingtest.Stored(stripes, o), o%2 == 0, -1, 0x11, 0x11, 0x11)
			got := open(t, mustProcess(t, imagingtest.WithEXIF(src, imagingtest.EXIF(o))).Renditions[0])
			d := meanDifference(got, upright)
			t.Logf("%v, orientation %d: %.2f", size, o, d)
			if d > 1.2 {
				t.Errorf("%v, orientation %d: differs by %.2f", size, o, d)
			}
		}
	}
}

func compareScaled(t *testing.T, got, want process.Rendition) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("%s has %d x %d pixels, want %d x %d", got.Name, got.Width, got.Height, want.Width, want.Height)
	}
	a, b := open(t, got), open(t, want)
	index, difference := ssim.Gray(luma(t, a), luma(t, b)), meanDifference(a, b)
	t.Logf("%s: SSIM %.4f, mean difference %.2f", got.Name, index, difference)
	if index < 0.986 || difference > 1.8 {
		t.Errorf("%s: SSIM %.4f, mean difference %.2f", got.Name, index, difference)
	}
}

// luma returns the luma of a decoded JPEG.
func luma(t *testing.T, m image.Image) *image.Gray {
	t.Helper()
	switch m := m.(type) {
	case *image.Gray:
		return m
	case *image.YCbCr:
		return &image.Gray{Pix: m.Y, Stride: m.YStride, Rect: m.Rect}
	}
	t.Fatalf("%T is not a type of a decoded JPEG", m)
	return nil
}

// The largest progressive pictures fit into the default budget and take far less than the time
// limit.
func TestProcessOfLargeProgressivePictures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, src := range map[string][]byte{
		"40 megapixels 4:2:0":   imagingtest.LargeProgressive(7746, 5163, 1, 0x22, 0x11, 0x11),
		"40 megapixels 4:4:4":   imagingtest.LargeProgressive(7746, 5163, 1, 0x11, 0x11, 0x11),
		"40 megapixels, square": imagingtest.LargeProgressive(6324, 6324, 1, 0x11, 0x11, 0x11),
		"not scaled":            imagingtest.LargeProgressive(3998, 3998, 1, 0x11, 0x11, 0x11),
	} {
		var got cost
		child(t, "cost", &got, write(t, dir, "large.jpg", src))
		if got.Code != "" || got.CPU > time.Second {
			t.Errorf("%s: %q after %v of CPU time", name, got.Code, got.CPU)
		}
		t.Logf("%s: %v of CPU time", name, got.CPU)
	}
}

// If the scans show an unsupported feature, image/jpeg decodes the picture anew: here a
// coefficient that is refined beyond sixteen bits.
func TestProcessFallsBackToImageJPEG(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(161, 103, 1)
	for name, src := range map[string][]byte{
		"cmyk":             sampled(photo, false, 0, 0x11, 0x11, 0x11, 0x11),
		"progressive ycck": sampled(photo, true, 2, 0x11, 0x11, 0x11, 0x11),
		"rgb":              sampled(photo, false, 0, 0x11, 0x11, 0x11),
		"said late":        imagingtest.LateRGB(sampled(photo, false, -1, 0x11, 0x11, 0x11)),
	} {
		got := open(t, mustProcess(t, src).Renditions[0])
		want, err := jpeg.Decode(bytes.NewReader(src))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := meanDifference(got, want); d > 5 {
			t.Errorf("%s: differs by %.2f", name, d)
		}
	}
}
