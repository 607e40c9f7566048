package webp

import (
	"math"
	"slices"
	"sort"
)

// segments is how many parts of a picture have steps of their own.
const segments = 4

// The trade between error and bits, found by measuring: what gives the most
// similarity for the bytes, over drawn and real photographs of three sizes.
const (
	finestStep     = 5     // of quality 100
	qualityHalves  = 13    // as many less double the step
	stepPower      = 0.7   // of a macroblock's weight, in the square of the step
	lambdaPower    = 0.9   // and in what bits of luma may cost
	trade          = 0.014 // squared samples for a bit, of the squared step
	chromaTrade    = 0.012
	filterStrength = 0.3 // of the loop filter, of the step
)

// segment is a part of the picture: macroblocks in which errors are seen about as
// well.
type segment struct {
	index             int // of the steps
	luma, lumaAfterDC quantiser
	lumaDC, chroma    quantiser
	filter            int
	chromaLambda      int64 // as partition's lambda
}

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

// partition says which part each macroblock belongs to.
type partition struct {
	segments [segments]segment
	of       []uint8
	lambda   []int64 // what 1/256 bit of luma may cost in squared samples, in 1/256, by macroblock
	probs    [3]uint8
}

// divide parts a picture by how well errors are seen. The index of structural
// similarity divides them by the variance of what they are in, c of it more: so
// errors may grow with it, and the best step with its square root.
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

// weight is the harmonic mean, over the quarters of a macroblock, of twice the
// variance of luma and the index's constant.
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

// cluster finds up to four centers of values, and the nearest for each. They are in
// no order where most values are the same, as those of a white ground.
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

// write writes the segments' header (RFC 6386, section 9.3).
func (d *partition) write(w *boolWriter) {
	w.putUint(0b1111, 4) // there are segments, they come with a map, and with values that are absolute
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

func (d *partition) writeSegment(w *boolWriter, k uint8) {
	w.put(k >= 2, d.probs[0])
	w.put(k&1 != 0, d.probs[1+k>>1])
}
