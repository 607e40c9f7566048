package jpeg

import (
	"image"
	"math"

	"vitrine/imaging/ssim"
)

// sampled is how many blocks a quality is looked for with, at most.
const sampled = 2000

// QualityFor returns the least quality from low to high at which the luma of m, an *image.YCbCr or *image.Gray, keeps a
// structural similarity of target, or high where none does. It writes nothing: up to 2,000 blocks, spread over the picture,
// are transformed and quantised, and since the transform keeps sums of squares and products, the index of each block
// follows from its coefficients (Parseval). What blocks of 8 x 8 do not see of the joints between them is allowed for: the
// index of the whole picture in Gaussian windows is within 0.012 of the target, unless the quality is at a bound.
func QualityFor(m image.Image, target float64, low, high int) int {
	s := sampleBlocks(m)
	if len(s) == 0 {
		return high
	}
	for low < high {
		middle := (low + high) / 2
		if s.likeness(middle) >= target {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// joints is by how much more is lost in windows that lie across the joints of blocks: measured, 1.18 to 1.4.
const joints = 1.22

// samples are eight times the coefficients of blocks of luma, in zigzag order.
type samples [][64]int16

// sampleBlocks takes whole blocks only; there are none in a picture of less than 8 pixels a side.
func sampleBlocks(m image.Image) samples {
	var p plane
	switch m := m.(type) {
	case *image.Gray:
		p = plane{m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy()}
	case *image.YCbCr:
		p = plane{m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y):], m.YStride, m.Rect.Dx(), m.Rect.Dy()}
	}
	across, down := p.width/8, p.height/8
	n := min(across*down, sampled)
	list := make(samples, n)
	var b block
	for i := range list {
		at := int(int64(i) * int64(across*down) / int64(n))
		p.load(&b, at%across*8, at/across*8)
		fdct(&b)
		for k := range b {
			list[i][k] = int16(b[zigzag[k]])
		}
	}
	return list
}

// likeness is the mean index of the blocks at a quality.
func (s samples) likeness(quality int) float64 {
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
	return 1 - joints*(1-sum/float64(len(s)))
}

// index compares a block with what is left of it after quantising.
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
