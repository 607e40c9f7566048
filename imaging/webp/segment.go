package webp

import (
	"math"
	"slices"
	"sort"
)

// segments is the number of segments of a picture, each with its own quantiser.
const segments = 4

// The parameters of the trade-off between error and bits. They were found by measurement: they maximize SSIM for the file size
// over drawn and real photographs of three sizes.
const (
	finestStep     = 5     // step at quality 100
	qualityHalves  = 13    // decrease of quality that doubles the step
	stepPower      = 0.7   // power of a macroblock's weight in the square of the step
	lambdaPower    = 0.9   // power of a macroblock's weight in lambda
	trade          = 0.014 // squared samples per bit, relative to the squared step
	chromaTrade    = 0.012 // the same for chroma
	filterStrength = 0.3   // strength of the loop filter, relative to the step
)

// segment is a group of macroblocks in which errors are about equally visible.
type segment struct {
	index             int // in stepsDC and stepsAC
	luma, lumaAfterDC quantiser
	lumaDC, chroma    quantiser
	filter            int
	chromaLambda      int64 // as partition.lambda
}

// newSegment returns the segment with the smallest steps of at least step.
func newSegment(step float64) segment {
	i := sort.Search(len(stepsAC)-1, func(i int) bool { return float64(stepsAC[i]) >= step })
	return segment{
		index:       i,
		luma:        newQuantiser(luma, gainShift, stepsDC[i], stepsAC[i]),
		lumaAfterDC: newQuantiser(lumaAfterDC, gainShift, stepsDC[i], stepsAC[i]),
		lumaDC:      newQuantiser(lumaDC, gainShift2, 2*stepsDC[i], max(155*stepsAC[i]/100, 8)),
		chroma:      newQuantiser(chroma, gainShift, stepsDC[min(i, 117)], stepsAC[i]),
		filter:      min(int(filterStrength*float64(stepsAC[i])), 63),
	}
}

// partition assigns each macroblock to a segment.
type partition struct {
	segments [segments]segment
	of       []uint8  // segment by macroblock
	lambda   []int64  // weight of 1/256 bit of luma in 1/256 squared samples, by macroblock
	probs    [3]uint8 // of the branches of the segment tree
}

// divide assigns macroblocks to segments by the visibility of errors. SSIM divides squared errors by the local variance plus a
// constant, so errors may grow with the variance, and the best step with its square root.
func divide(p *planes, mbw, mbh, quality int) partition {
	base := min(finestStep*math.Exp2(float64(100-quality)/qualityHalves), 284)
	weights := make([]float64, mbw*mbh)
	for i := range weights {
		weights[i] = math.Log2(weight(p, i%mbw, i/mbw) / 256)
	}
	centers, of := cluster(weights)
	d := partition{of: of, lambda: make([]int64, len(of))}
	for k, c := range centers {
		step := min(max(base*math.Exp2(c*stepPower/2), 4), 284)
		d.segments[k] = newSegment(step)
		d.segments[k].chromaLambda = int64(256 * chromaTrade * base * base)
	}
	for i, w := range weights {
		d.lambda[i] = int64(256 * trade * base * base * math.Exp2(w*lambdaPower))
	}
	d.countSegments()
	return d
}

// weight returns the harmonic mean, over the quarters of a macroblock, of twice the luma variance plus the constant of SSIM.
func weight(p *planes, x, y int) float64 {
	const c = 58.5225 * 219 / 255 * 219 / 255
	sum := 0.0
	for k := range 4 {
		var n, nn int
		at := (16*y+k>>1*8)*p.stride + 16*x + k&1*8
		for r := range 8 {
			for _, v := range p.y[at+r*p.stride:][:8] {
				n += int(v)
				nn += int(v) * int(v)
			}
		}
		mean := float64(n) / 64
		sum += 1 / (2*(float64(nn)/64-mean*mean) + c)
	}
	return 4 / sum
}

// cluster returns four centers of the values and the nearest center of each value. The centers are not sorted if most values
// are the same, as on a white background.
func cluster(values []float64) (centers [segments]float64, of []uint8) {
	sorted := slices.Sorted(slices.Values(values))
	for k := range centers {
		centers[k] = sorted[(2*k+1)*len(sorted)/(2*segments)]
	}
	of = make([]uint8, len(values))
	for range 8 {
		var sum [segments]float64
		var n [segments]int
		for i, v := range values {
			best := 0
			for k := range centers {
				if math.Abs(v-centers[k]) < math.Abs(v-centers[best]) {
					best = k
				}
			}
			of[i] = uint8(best)
			sum[best] += v
			n[best]++
		}
		for k := range centers {
			if n[k] > 0 {
				centers[k] = sum[k] / float64(n[k])
			}
		}
	}
	return centers, of
}

// countSegments sets the probabilities of the segment tree.
func (d *partition) countSegments() {
	var n [segments]int
	for _, k := range d.of {
		n[k]++
	}
	ratio := func(a, b int) uint8 {
		if a+b == 0 {
			return 255
		}
		return uint8(min(max((256*a+(a+b)/2)/(a+b), 1), 255))
	}
	d.probs = [3]uint8{ratio(n[0]+n[1], n[2]+n[3]), ratio(n[0], n[1]), ratio(n[2], n[3])}
}

// write writes the segment header (RFC 6386, section 9.3).
func (d *partition) write(w *boolWriter) {
	w.putUint(0b1111, 4) // segments are enabled, with a map, with data, and with absolute values
	for k := range d.segments {
		w.putOptional(d.segments[k].index, 7)
	}
	for k := range d.segments {
		w.putOptional(d.segments[k].filter, 6)
	}
	for _, p := range d.probs {
		w.put(p != 255, 128)
		if p != 255 {
			w.putUint(uint32(p), 8)
		}
	}
}

// writeSegment writes the segment of a macroblock.
func (d *partition) writeSegment(w *boolWriter, k uint8) {
	w.put(k >= 2, d.probs[0])
	w.put(k&1 != 0, d.probs[1+k>>1])
}
