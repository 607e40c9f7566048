package webp

import "image"

// macroblock holds the choices for one macroblock.
type macroblock struct {
	segment    uint8
	small      bool // each 4x4 block has its own mode
	skip       bool // all values are 0
	mode       uint8
	chromaMode uint8
	modes      [16]uint8
}

// Indices of the blocks of a macroblock: 16 luma blocks, four blocks of each chroma plane, and the block of first coefficients.
const (
	firstU  = 16
	firstV  = 20
	blockDC = 24
	blocks  = 25
)

// levels holds the values of a macroblock's blocks, in the order in which they are written.
type levels [blocks][16]int16

// context holds 1 for the blocks at the edge of a macroblock that have values: four luma blocks, two blocks of each chroma
// plane, and the block of first coefficients.
type context [9]uint8

// besideChroma returns the indices of the contexts above and to the left of a chroma block. Blocks 0 to 3 belong to u, 4 to 7
// to v.
func besideChroma(i int) (top, left int) {
	plane := 4 + i>>2<<1
	return plane + i&1, plane + i>>1&1
}

// coded returns the context of a block: 1 if it has values from first on.
func coded(last, first int) uint8 {
	if last > first {
		return 1
	}
	return 0
}

// encoder encodes one picture.
type encoder struct {
	size     image.Point
	mbw, mbh int
	src, rec planes // the picture, and its reconstruction before the loop filter
	parts    partition
	mbs      []macroblock
	levels   []levels
	costs    costs
	counts   tokenCounts
	tops     []context
	left     context
	topModes []uint8
	leftMode [4]uint8
	work     work
}

// encodeVP8 returns a key frame of m.
func encodeVP8(m image.Image, quality int) ([]byte, error) {
	size := m.Bounds().Size()
	e := &encoder{size: size, mbw: (size.X + 15) / 16, mbh: (size.Y + 15) / 16}
	e.src, e.rec = newPlanes(e.mbw, e.mbh), newPlanes(e.mbw, e.mbh)
	e.src.load(m)
	n := e.mbw * e.mbh
	e.mbs, e.levels = make([]macroblock, n), make([]levels, n)
	e.tops, e.topModes = make([]context, e.mbw), make([]uint8, 4*e.mbw)
	e.parts = divide(&e.src, e.mbw, e.mbh, quality)
	probs := defaultProbs
	e.costs.learn(&probs)
	for y := range e.mbh {
		e.left, e.leftMode = context{}, [4]uint8{}
		for x := range e.mbw {
			e.encode(x, y)
		}
		if y&3 == 3 || y < 3 {
			probs = e.counts.probs(&defaultProbs)
			e.costs.learn(&probs)
		}
	}
	return e.write()
}

// encode chooses how to code a macroblock and reconstructs it.
func (e *encoder) encode(x, y int) {
	i := y*e.mbw + x
	mb, lv := &e.mbs[i], &e.levels[i]
	mb.segment = e.parts.of[i]
	w := &e.work
	w.load(e, x, y)
	w.costs, w.seg, w.lambda = &e.costs, &e.parts.segments[mb.segment], e.parts.lambda[i]
	w.top, w.left = e.tops[x], e.left
	mode, score := w.chooseLarge(lv)
	if modes, ok := w.chooseSmall(e.topModes[4*x:][:4], &e.leftMode, score, lv); ok {
		mb.small, mb.modes = true, modes
		copy(e.topModes[4*x:], modes[12:])
		for r := range 4 {
			e.leftMode[r] = modes[4*r+3]
		}
	} else {
		mb.mode = mode
		for k := range 4 {
			e.topModes[4*x+k], e.leftMode[k] = mode, mode
		}
	}
	mb.chromaMode = w.chooseChroma(lv)
	mb.skip = *lv == levels{}
	lv.walk(mb.small, &e.tops[x], &e.left, e.counts.add)
	w.store(e, x, y)
}

// walk visits the blocks in the order in which they are written, with their contexts, which it updates.
func (lv *levels) walk(small bool, top, left *context, visit func(kind, ctx int, values *[16]int16, first, last int)) {
	kind, first := luma, 0
	if !small {
		last := lastOf(&lv[blockDC], 0)
		visit(lumaDC, int(top[8]+left[8]), &lv[blockDC], 0, last)
		top[8] = coded(last, 0)
		left[8] = top[8]
		kind, first = lumaAfterDC, 1
	}
	block := func(kind, i, first, t, l int) {
		last := lastOf(&lv[i], first)
		visit(kind, int(top[t]+left[l]), &lv[i], first, last)
		top[t] = coded(last, first)
		left[l] = top[t]
	}
	for i := range firstU {
		block(kind, i, first, i&3, i>>2)
	}
	for i := range blockDC - firstU {
		t, l := besideChroma(i)
		block(chroma, firstU+i, 0, t, l)
	}
}

// lastOf returns one past the last non-zero value.
func lastOf(values *[16]int16, first int) int {
	for n := 16; n > first; n-- {
		if values[n-1] != 0 {
			return n
		}
	}
	return first
}
