package jpeg_test

import (
	"image"
	"testing"

	"vitrine/imaging/jpeg"
)

// boxed returns the mean of scale by scale samples.
func boxed(pix []byte, stride, w, h, x, y, scale int) float64 {
	sum, n := 0, 0
	for dy := y * scale; dy < min((y+1)*scale, h); dy++ {
		for dx := x * scale; dx < min((x+1)*scale, w); dx++ {
			sum += int(pix[dy*stride+dx])
			n++
		}
	}
	return float64(sum) / float64(n)
}

// planesOf returns the planes of a picture with their strides and visible sizes.
func planesOf(m image.Image) (planes [][]byte, strides []int, sizes []image.Point) {
	size := m.Bounds().Size()
	switch m := m.(type) {
	case *image.Gray:
		return [][]byte{m.Pix}, []int{m.Stride}, []image.Point{size}
	case *image.YCbCr:
		last := m.COffset(size.X-1, size.Y-1)
		c := image.Pt(last%m.CStride+1, last/m.CStride+1)
		return [][]byte{m.Y, m.Cb, m.Cr}, []int{m.YStride, m.CStride, m.CStride}, []image.Point{size, c, c}
	}
	panic("unexpected type")
}

func TestDecodeScaled(t *testing.T) {
	t.Parallel()
	for name, sampling := range samplings {
		if name == "1x4" || name == "mixed" || name == "small" {
			continue // samples are repeated less often than at full scale
		}
		for _, mode := range []string{"baseline", "progressive", "selection"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				m := modes[mode]
				c := craft{
					width: 203, height: 149, sampling: sampling, marker: m.marker, quant: m.quant, scans: m.script(len(sampling)), restart: 7,
				}
				src := c.encode()
				full, err := jpeg.Decode(src, jpeg.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, scale := range []int{2, 4, 8} {
					small, err := jpeg.Decode(src, jpeg.Options{Scale: scale})
					if err != nil {
						t.Fatal(err)
					}
					if got, want := small.Bounds(), image.Rect(0, 0, ceil(203, scale), ceil(149, scale)); got != want {
						t.Fatalf("scale %d: %v, want %v", scale, got, want)
					}
					compareBoxed(t, full, small, scale)
				}
			})
		}
	}
}

// compareBoxed compares a scaled picture with the box means of the full one, except at the edges, which depend on the
// encoder's padding: the mean and the mean square of the differences must be small.
func compareBoxed(t *testing.T, full, small image.Image, scale int) {
	t.Helper()
	fullPlanes, fullStrides, fullSizes := planesOf(full)
	planes, strides, sizes := planesOf(small)
	for p := range planes {
		sum, square, n := 0.0, 0.0, 0.0
		for y := range min(sizes[p].Y, fullSizes[p].Y/scale) {
			for x := range min(sizes[p].X, fullSizes[p].X/scale) {
				want := boxed(fullPlanes[p], fullStrides[p], fullSizes[p].X, fullSizes[p].Y, x, y, scale)
				d := float64(planes[p][y*strides[p]+x]) - want
				sum, square, n = sum+d, square+d*d, n+1
			}
		}
		if mean := sum / n; mean < -0.35 || mean > 0.35 {
			t.Errorf("scale %d, plane %d: brighter by %.2f on average", scale, p, mean)
		}
		if square /= n; square > 16 {
			t.Errorf("scale %d, plane %d: mean square difference %.1f from the box mean", scale, p, square)
		}
	}
}

func TestScaleFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ width, height, fit, want int }{
		{4000, 3000, 1600, 2},
		{3000, 4000, 1600, 2},
		{4000, 3000, 800, 4},
		{4000, 3000, 200, 8},
		{4000, 3000, 501, 4},
		{3993, 10, 500, 8},
		{1600, 1200, 1600, 1},
		{3199, 100, 1600, 2},
		{3198, 100, 1600, 1},
		{100, 100, 1600, 1},
	} {
		if got := jpeg.ScaleFor(c.width, c.height, c.fit); got != c.want {
			t.Errorf("ScaleFor(%d, %d, %d) = %d, want %d", c.width, c.height, c.fit, got, c.want)
		}
	}
}
