package jpegenc

import (
	"image"
	"math"

	"vitrine/imaging/jpeg/dct"
	"vitrine/imaging/ssim"
)

// maxSampled is the maximum number of blocks that QualityFor examines.
const maxSampled = 2000

// QualityFor returns the lowest quality from low to high at which the luma of m, an *image.YCbCr or *image.Gray, reaches
// the SSIM target, or high if no quality does.
//
// It encodes nothing: it transforms and quantises up to 2,000 blocks spread over the picture. The transform preserves sums
// of squares and products (Parseval's theorem), so the SSIM of a block follows from its coefficients. Blocks don't show the
// loss across their borders; a measured factor accounts for it. The SSIM of the whole picture in Gaussian windows is within
// 0.012 of the target, unless the result is low or high.
func QualityFor(m image.Image, target float64, low, high int) int {
	s := sampleBlocks(m)
	if len(s) == 0 {
		return high
	}
	for low < high {
		middle := (low + high) / 2
		if s.ssim(middle) >= target {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// borderLoss is the loss in windows across the borders of blocks, relative to the loss inside blocks. It was measured as
// 1.18 to 1.4.
const borderLoss = 1.22

// samples holds the luma coefficients of blocks, times eight, in zigzag order.
type samples [][64]int16

// sampleBlocks returns the coefficients of whole blocks spread over m. A picture with a side below 8 pixels has no such
// blocks.
func sampleBlocks(m image.Image) samples {
	var p plane
	switch m := m.(type) {
	case *image.Gray:
		p = plane{m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy()}
	case *image.YCbCr:
		p = plane{m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y):], m.YStride, m.Rect.Dx(), m.Rect.Dy()}
	}
	across, down := p.width/8, p.height/8
	n := min(across*down, maxSampled)
	list := make(samples, n)
	var b dct.Block
	for i := range list {
		at := int(int64(i) * int64(across*down) / int64(n))
		p.load(&b, at%across*8, at/across*8)
		dct.Forward(&b)
		for k := range b {
			list[i][k] = int16(b[dct.ZigZag[k]])
		}
	}
	return list
}

// ssim returns the estimated SSIM of the picture at a quality.
func (s samples) ssim(quality int) float64 {
	table := quantisers(quality)[0]
	var steps, inverse [64]float32
	for k, q := range table {
		steps[k] = 8 * float32(q)
		inverse[k] = 1 / steps[k]
	}
	sum := 0.0
	for i := range s {
		sum += float64(index(&s[i], &steps, &inverse))
	}
	return 1 - borderLoss*(1-sum/float64(len(s)))
}

// index returns the SSIM of a block and the same block after quantisation.
func index(c *[64]int16, steps, inverse *[64]float32) float32 {
	const one = 64 // the square of the 8 that the coefficients are multiplied by
	level := func(k int) (float32, float32) {
		v := float32(c[k])
		return v, steps[k] * float32(math.RoundToEven(float64(v*inverse[k])))
	}
	v, w := level(0)
	p, q := v/64+128, w/64+128
	var pp, qq, pq float32
	for k := 1; k < 64; k++ {
		v, w := level(k)
		pp, qq, pq = pp+v*v, qq+w*w, pq+v*w
	}
	const n = one * 64
	return ssim.Index(p, q, pp/n, qq/n, pq/n)
}
