package jpegenc_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"math/rand/v2"
	"testing"

	"vitrine/imaging/jpeg"
	"vitrine/imaging/jpeg/jpegenc"
	"vitrine/imaging/jpeg/jpegtest"
)

// noisy fills the planes with noise of a random contrast.
func noisy(r *rand.Rand, planes ...[]byte) {
	contrast := 1 + r.IntN(256)
	for _, p := range planes {
		for i := range p {
			p[i] = byte(128 - contrast/2 + r.IntN(contrast))
		}
	}
}

func TestAppendEqualsStandardLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	ratios := []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	}
	for i := range 400 {
		whole := image.Rect(0, 0, 1+r.IntN(70), 1+r.IntN(70))
		part := whole
		if i%3 == 0 { // part of a larger picture, sometimes at odd positions
			part.Min = image.Pt(r.IntN(whole.Dx()), r.IntN(whole.Dy()))
		}
		colour := image.NewYCbCr(whole, ratios[i%len(ratios)])
		gray := image.NewGray(whole)
		noisy(r, colour.Y, colour.Cb, colour.Cr, gray.Pix)
		for _, m := range []image.Image{colour.SubImage(part), gray.SubImage(part)} {
			quality := 1 + r.IntN(100)
			var want bytes.Buffer
			if err := stdjpeg.Encode(&want, m, &stdjpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			got, err := jpegenc.Append([]byte("prefix"), m, jpegenc.Options{Quality: quality})
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != "prefix"+want.String() {
				t.Fatalf("%T %v of %v, quality %d: bytes differ", m, part, whole, quality)
			}
		}
	}
}

func TestAppendPhotograph(t *testing.T) {
	t.Parallel()
	for _, m := range []image.Image{jpegtest.Photograph(333, 211), jpegtest.GrayPhotograph(120, 77)} {
		for _, quality := range []int{-5, 0, 30, 80, 95, 100, 300} {
			clipped := min(max(quality, 1), 100)
			if quality == 0 {
				clipped = 75
			}
			var want bytes.Buffer
			if err := stdjpeg.Encode(&want, m, &stdjpeg.Options{Quality: clipped}); err != nil {
				t.Fatal(err)
			}
			got, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: quality})
			if err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%T, quality %d: bytes differ (%v)", m, quality, err)
			}
		}
	}
}

func TestAppendOptimized(t *testing.T) {
	t.Parallel()
	flat := image.NewGray(image.Rect(0, 0, 3, 3))
	r := rand.New(rand.NewPCG(3, 4))
	// At quality 100 nearly every coefficient becomes a token: more tokens than two pages hold.
	noise := image.NewYCbCr(image.Rect(0, 0, 250, 210), image.YCbCrSubsampleRatio420)
	noisy(r, noise.Y, noise.Cb, noise.Cr)
	for _, m := range []image.Image{jpegtest.Photograph(333, 211), jpegtest.GrayPhotograph(300, 200), flat, noise} {
		for _, quality := range []int{5, 80, 100} {
			plain, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: quality})
			if err != nil {
				t.Fatal(err)
			}
			small, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: quality, Optimize: true})
			if err != nil {
				t.Fatal(err)
			}
			want, err := stdjpeg.Decode(bytes.NewReader(plain))
			if err != nil {
				t.Fatal(err)
			}
			got, err := stdjpeg.Decode(bytes.NewReader(small))
			if err != nil {
				t.Fatalf("%T, quality %d: %v", m, quality, err)
			}
			if !jpegtest.SamePixels(want, got) {
				t.Errorf("%T, quality %d: pixels differ", m, quality)
			}
			if len(small) >= len(plain) {
				t.Errorf("%T, quality %d: %d bytes, without optimisation %d", m, quality, len(small), len(plain))
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	got, err := jpegenc.Append([]byte("x"), image.NewRGBA(image.Rect(0, 0, 4, 4)), jpegenc.Options{})
	if !errors.Is(err, errors.ErrUnsupported) || string(got) != "x" {
		t.Errorf("RGBA: error %v and %q, want ErrUnsupported and the unchanged prefix", err, got)
	}
	for _, size := range []image.Point{{0, 5}, {5, 0}, {1 << 16, 1}} {
		m := &image.Gray{Rect: image.Rectangle{Max: size}}
		got, err := jpegenc.Append([]byte("x"), m, jpegenc.Options{})
		want := fmt.Sprintf("jpeg: cannot encode %dx%d pixels: sides must be 1 to 65535", size.X, size.Y)
		if err == nil || err.Error() != want || string(got) != "x" {
			t.Errorf("%v: error %v and %q, want %q and the unchanged prefix", size, err, got, want)
		}
	}
}

// judgeAppend encodes a picture of the samples and compares the file with the one from image/jpeg, and the optimised file
// with the plain one.
func judgeAppend(t *testing.T, samples []byte, width, quality int, colour bool) {
	t.Helper()
	bounds := image.Rect(0, 0, width, (len(samples)+width-1)/width)
	var m image.Image
	if gray := image.NewGray(bounds); !colour {
		copy(gray.Pix, samples)
		m = gray
	} else {
		c := image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420)
		copy(c.Y, samples)
		copy(c.Cb, samples)
		copy(c.Cr, samples[len(samples)/2:])
		m = c
	}
	quality = min(max(quality, 1), 100)
	var want bytes.Buffer
	if err := stdjpeg.Encode(&want, m, &stdjpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	got, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: quality})
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("bytes differ from image/jpeg (%v)", err)
	}
	optimized, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: quality, Optimize: true})
	if err != nil {
		t.Fatal(err)
	}
	a, errA := jpeg.Decode(got, jpeg.Options{})
	b, errB := jpeg.Decode(optimized, jpeg.Options{})
	if errA != nil || errB != nil || !jpegtest.SamePixels(a, b) {
		t.Fatalf("optimised tables change the pixels (%v, %v)", errA, errB)
	}
}
