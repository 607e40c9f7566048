package jpegenc_test

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/jpeg"
	"vitrine/imaging/jpeg/jpegenc"
	"vitrine/imaging/ssim"
)

// fabric returns a picture with detail of the same strength everywhere. Fainter detail is harder to keep.
func fabric(w, h int, strength float64) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, w, h))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		x, y := float64(i%w), float64(i/w)
		v := 128 + 60*math.Sin(x/90)*math.Cos(y/70) + strength*(math.Sin(x*0.9+y*0.4)+0.5*random.NormFloat64())
		m.Pix[i] = byte(min(max(v, 0), 255))
	}
	return m
}

func TestQualityForReachesItsTarget(t *testing.T) {
	t.Parallel()
	photo := func(w, h int) image.Image {
		m := imagingtest.Photo(w, h, 7)
		out := image.NewGray(m.Rect)
		for i := range out.Pix {
			out.Pix[i] = byte((299*int(m.Pix[4*i]) + 587*int(m.Pix[4*i+1]) + 114*int(m.Pix[4*i+2])) / 1000)
		}
		return out
	}
	const low, high = 30, 95
	found := map[int]bool{}
	for name, m := range map[string]image.Image{
		"large photograph": photo(900, 700), "small photograph": photo(200, 150), "faint fabric": fabric(400, 300, 4),
		"fabric": fabric(400, 300, 12), "coarse fabric": fabric(403, 301, 40), "wide": fabric(1000, 90, 15),
	} {
		for _, target := range []float64{0.93, 0.965, 0.98} {
			q := jpegenc.QualityFor(m, target, low, high)
			found[q] = true
			file, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: q})
			if err != nil {
				t.Fatal(err)
			}
			got, err := jpeg.Decode(file, jpeg.Options{})
			if err != nil {
				t.Fatal(err)
			}
			is := ssim.Gray(m.(*image.Gray), got.(*image.Gray))
			if is < target-0.012 && q < high || is > target+0.012 && q > low {
				t.Errorf("%s: quality %d has an SSIM of %.4f, want %.4f", name, q, is, target)
			}
		}
	}
	if len(found) < 8 {
		t.Errorf("only qualities %v for very different pictures", found)
	}
}

func TestQualityForIsHigherForFaintDetail(t *testing.T) {
	t.Parallel()
	last := 101
	for _, strength := range []float64{8, 16, 30, 60} {
		q := jpegenc.QualityFor(fabric(500, 400, strength), 0.965, 1, 100)
		if q >= last {
			t.Errorf("strength %v: quality %d, want less than the %d of fainter detail", strength, q, last)
		}
		last = q
	}
	flat := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range flat.Pix {
		flat.Pix[i] = 200
	}
	if q := jpegenc.QualityFor(flat, 0.965, 40, 90); q != 40 {
		t.Errorf("quality %d for a flat picture, want 40", q)
	}
	if q := jpegenc.QualityFor(image.NewGray(image.Rect(0, 0, 7, 300)), 0.965, 40, 90); q != 90 {
		t.Errorf("quality %d for a picture without a whole block, want 90", q)
	}
}

// The quality of a part of a colour picture is that of its luma alone.
func TestQualityForPartOfPicture(t *testing.T) {
	t.Parallel()
	whole := image.NewYCbCr(image.Rect(0, 0, 200, 160), image.YCbCrSubsampleRatio420)
	copy(whole.Y, fabric(200, 160, 14).Pix)
	part := whole.SubImage(image.Rect(40, 32, 168, 128)).(*image.YCbCr)
	alone := image.NewGray(image.Rect(0, 0, 128, 96))
	for y := range 96 {
		copy(alone.Pix[y*alone.Stride:][:128], whole.Y[(32+y)*whole.YStride+40:])
	}
	if a, b := jpegenc.QualityFor(part, 0.96, 1, 100), jpegenc.QualityFor(alone, 0.96, 1, 100); a != b {
		t.Errorf("quality %d for the part, %d for its luma alone", a, b)
	}
}

func BenchmarkQualityFor(b *testing.B) {
	m := fabric(1600, 1200, 12)
	for b.Loop() {
		jpegenc.QualityFor(m, 0.965, 65, 90)
	}
}
