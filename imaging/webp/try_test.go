package webp

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/vp8"

	vjpeg "vitrine/imaging/jpeg"
	"vitrine/imaging/resize"
	"vitrine/imaging/ssim"
)

func decode(t *testing.T, body []byte) *image.YCbCr {
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(body), len(body))
	if _, err := d.DecodeFrameHeader(); err != nil {
		t.Fatal(err)
	}
	m, err := d.DecodeFrame()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTryRec(t *testing.T) {
	defer func(f float64) { filterStrength = f }(filterStrength)
	filterStrength = 0
	src, _ := os.ReadFile("/work/shared/photos/smart-crop.jpg")
	m, _ := jpeg.Decode(bytes.NewReader(src))
	y := m.(*image.YCbCr)
	for _, q := range []int{10, 50, 75, 95} {
		var keep *encoder
		hook = func(e *encoder) { keep = e }
		body, err := encodeVP8(nil, y, q)
		hook = nil
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, body)
		n := 0
		for yy := 0; yy < y.Rect.Dy(); yy++ {
			for x := 0; x < y.Rect.Dx(); x++ {
				if got.Y[yy*got.YStride+x] != keep.rec.y[yy*keep.rec.stride+x] {
					n++
					if n < 3 {
						t.Errorf("q%d differs at %d,%d mb %d,%d: %+v", q, x, yy, x/16, yy/16, keep.mbs[yy/16*keep.mbw+x/16])
					}
				}
			}
		}
		t.Log(q, len(body), n)
	}
}

func loadYCC(file string, side int) *image.YCbCr {
	src, _ := os.ReadFile(file)
	m0, err := jpeg.Decode(bytes.NewReader(src))
	if err != nil {
		panic(err)
	}
	m := m0.(*image.YCbCr)
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if r := float64(side) / float64(max(w, h)); r < 1 {
		w, h = int(float64(w)*r), int(float64(h)*r)
	}
	out := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	resize.Scale(out.Y, out.YStride, resize.Plane(m.Y, m.YStride, m.Rect.Dx(), m.Rect.Dy(), 1), resize.Fit(w, m.Rect.Dx()), resize.Fit(h, m.Rect.Dy()))
	cw, ch := (m.Rect.Dx()+1)/2, (m.Rect.Dy()+1)/2
	if m.SubsampleRatio == image.YCbCrSubsampleRatio444 {
		cw, ch = m.Rect.Dx(), m.Rect.Dy()
	}
	resize.Scale(out.Cb, out.CStride, resize.Plane(m.Cb, m.CStride, cw, ch, 1), resize.Fit((w+1)/2, cw), resize.Fit((h+1)/2, ch))
	resize.Scale(out.Cr, out.CStride, resize.Plane(m.Cr, m.CStride, cw, ch, 1), resize.Fit((w+1)/2, cw), resize.Fit((h+1)/2, ch))
	return out
}

func gray(m *image.YCbCr) *image.Gray { return &image.Gray{Pix: m.Y, Stride: m.YStride, Rect: m.Rect} }

var widenTable = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(min(max((float64(i)-16)*255/219+.5, 0), 255))
	}
	return t
}()

func psnr(a, b []byte, f float64) float64 {
	s := 0.0
	for i := range a {
		d := float64(a[i]) - 128 - (float64(b[i])-128)*f
		s += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/s)
}

func TestTryEq(t *testing.T) {
	files := strings.Fields(os.Getenv("TRY"))
	for _, f := range files {
		for _, side := range []int{1600, 800, 200} {
			m := loadYCC(f, side)
			ref := gray(m)
			for _, jq := range []int{70, 80} {
				jb, _ := vjpeg.Append(nil, m, vjpeg.EncoderOptions{Quality: jq, Optimize: true})
				dec, _ := jpeg.Decode(bytes.NewReader(jb))
				want := ssim.Gray(ref, gray(dec.(*image.YCbCr)))
				var lo, hi struct {
					n int
					s float64
				}
				a, z := 5, 100
				var cpu time.Duration
				var cb float64
				for z-a > 1 {
					q := (a + z) / 2
					s := time.Now()
					o, err := encodeVP8(nil, m, q)
					if err != nil {
						t.Fatal(err)
					}
					cpu = time.Since(s)
					g := decode(t, o)
					cbp := make([]byte, 0, len(m.Cb))
					for y := 0; y < (g.Rect.Dy()+1)/2; y++ {
						cbp = append(cbp, g.Cb[y*g.CStride:][:(g.Rect.Dx()+1)/2]...)
					}
					cb = psnr(m.Cb, cbp, 255.0/224)
					for i, v := range g.Y {
						g.Y[i] = widenTable[v]
					}
					v := ssim.Gray(ref, gray(g))
					if v < want {
						a = q
						lo.n, lo.s = len(o), v
					} else {
						z = q
						hi.n, hi.s = len(o), v
					}
				}
				u := (want - lo.s) / (hi.s - lo.s)
				n := math.Exp(math.Log(float64(lo.n))*(1-u) + u*math.Log(float64(hi.n)))
				jcb := dec.(*image.YCbCr)
				cbp := make([]byte, 0, len(m.Cb))
				for y := 0; y < (m.Rect.Dy()+1)/2; y++ {
					cbp = append(cbp, jcb.Cb[y*jcb.CStride:][:(m.Rect.Dx()+1)/2]...)
				}
				t.Logf("%s %d jq%d %d ssim %.4f: q%d %.3f of jpeg, %d ms, cb psnr %.1f (jpeg %.1f)", f[max(len(f)-10, 0):], side, jq, len(jb), want, z, n/float64(len(jb)), cpu.Milliseconds(), cb, psnr(m.Cb, cbp, 1))
			}
		}
	}
}
