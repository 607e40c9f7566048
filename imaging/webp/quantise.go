package webp

// quantiser quantises one kind of block. Index 0 is for the first coefficient, index 1 for the others.
type quantiser struct {
	kind  int
	shift int // from squared errors of coefficients to those of samples
	step  [2]int32
	round [2]int32 // added before truncation
	inv   [2]int32 // 2^17 / step
}

// The rounding offsets, in 1/256 of a step. They are below one half, because a value just above half a step is often not worth
// its bits.
const (
	roundDC = 108
	roundAC = 110
)

// newQuantiser returns the quantiser with the steps dc and ac.
func newQuantiser(kind, shift int, dc, ac int) quantiser {
	q := quantiser{kind: kind, shift: shift, step: [2]int32{int32(dc), int32(ac)}}
	for i, r := range [2]int32{roundDC, roundAC} {
		q.round[i] = r << 9
		q.inv[i] = 1 << 17 / q.step[i]
	}
	return q
}

// quantise stores the values of coefficients from first on, in the order in which they are written. It returns one past the
// last non-zero value, and the squared error in samples.
func (q *quantiser) quantise(in, levels *[16]int16, first int) (last int, distortion int64) {
	step, round, inv := q.step[0], q.round[0], q.inv[0]
	sum := int64(0)
	last = first
	if first > 0 {
		step, round, inv = q.step[1], q.round[1], q.inv[1]
		levels[0] = 0
	}
	for n := first; n < 16; n++ {
		c := int32(in[zigzag[n]])
		mag := max(c, -c)
		v := min((mag*inv+round)>>17, maxLevel)
		d := int64(mag - v*step)
		sum += d * d
		if v != 0 {
			last = n + 1
		}
		if c < 0 {
			v = -v
		}
		levels[n] = int16(v)
		step, round, inv = q.step[1], q.round[1], q.inv[1]
	}
	return last, sum >> q.shift
}

// restore computes the coefficients that a decoder computes from the values.
func (q *quantiser) restore(levels, out *[16]int16, first int) {
	step := q.step[0]
	if first > 0 {
		step = q.step[1]
	}
	for n := first; n < 16; n++ {
		out[zigzag[n]] = int16(int32(levels[n]) * step)
		step = q.step[1]
	}
}

// path is the cheapest sequence of values that ends with a given value at a position.
type path struct {
	score int64
	level int16
	from  int8 // candidate of the previous position
}

// noPath is a score above all others.
const noPath = int64(1) << 62

// refine finds the values with the lowest sum of error and weighted bits. At each position it tries the nearest value, the
// value below it, and ending the block. lambda is the weight of 1/256 bit in 1/256 squared samples. refine returns one past
// the last non-zero value.
func (q *quantiser) refine(c *costs, ctx int, in, levels *[16]int16, first int, lambda int64) (last int) {
	lambda <<= q.shift
	var paths [17][2]path
	tail := int64(0) // the error of dropping the values from a position on
	var dropped [17]int64
	top := first
	for n := 15; n >= first; n-- {
		v := int64(in[zigzag[n]])
		tail += v * v << 16
		dropped[n] = tail
		if top == first && max(v, -v)*2 > int64(q.step[min(n, 1)]) {
			top = n + 1
		}
	}
	best := dropped[first] + lambda*int64(c.end[q.kind][bands[first]][ctx])
	bestN, bestK := -1, int8(0)
	for n := first; n < top; n++ {
		v := int32(in[zigzag[n]])
		mag, step := max(v, -v), q.step[min(n, 1)]
		near := min((mag*2+step)/(2*step), maxLevel)
		for k := range int32(2) {
			p := &paths[n][k]
			level := near - k
			if level < 0 {
				p.score = noPath
				continue
			}
			d := int64(mag - level*step)
			p.level = int16(level)
			p.score, p.from = q.extend(c, ctx, &paths, n, first, level, lambda)
			p.score += d * d << 16
			if level == 0 {
				continue
			}
			end := p.score + dropped[n+1]
			if n < 15 {
				end += lambda * int64(c.end[q.kind][bands[n+1]][min(level, 2)])
			}
			if end < best {
				best, bestN, bestK = end, n, int8(k)
			}
		}
	}
	clear(levels[first:])
	for n, k := bestN, bestK; n >= first; n-- {
		p := &paths[n][k]
		levels[n], k = p.level, p.from
		if in[zigzag[n]] < 0 {
			levels[n] = -levels[n]
		}
	}
	return max(bestN+1, first)
}

// extend returns the score of the cheapest path to a value at n, without the error of that value, and its candidate at n-1.
func (q *quantiser) extend(c *costs, ctx int, paths *[17][2]path, n, first int, level int32, lambda int64) (int64, int8) {
	token, rest := tokenOf[level], int64(bitsOf[level])
	if n == first {
		rate := int64(c.token[q.kind][bands[n]][ctx][token]) + rest
		if ctx == 0 {
			rate += int64(c.goes[q.kind][bands[n]])
		}
		return lambda * rate, 0
	}
	score, from := noPath, int8(0)
	for k := range paths[n-1] {
		p := &paths[n-1][k]
		if p.score >= noPath {
			continue
		}
		rate := int64(c.token[q.kind][bands[n]][min(int(p.level), 2)][token]) + rest
		if s := p.score + lambda*rate; s < score {
			score, from = s, int8(k)
		}
	}
	return score, from
}
