package webp

// work holds the state for choosing how to code one macroblock: its samples, in 4x4 blocks, and those around it.
type work struct {
	source [blockDC][16]byte
	out    [blockDC][16]byte // reconstructed
	luma   square
	chroma [2]square
	right  [4]byte // the four samples to the right of the row above

	costs     *costs
	seg       *segment
	lambda    int64 // weight of 1/256 bit of luma in 1/256 squared samples
	top, left context
}

// load copies a macroblock of the source and the edges of its neighbours.
func (w *work) load(e *encoder, x, y int) {
	e.src.blocks(x, y, func(i int, samples []byte, stride int) { loadBlock(&w.source[i], samples, stride) })
	half := e.rec.stride / 2
	w.luma.load(16, e.rec.y, e.rec.stride, x, y)
	w.chroma[0].load(8, e.rec.u, half, x, y)
	w.chroma[1].load(8, e.rec.v, half, x, y)
	for i := range w.right {
		switch {
		case y == 0:
			w.right[i] = 127
		case x == e.mbw-1:
			w.right[i] = w.luma.top[15]
		default:
			w.right[i] = e.rec.y[(16*y-1)*e.rec.stride+16*x+16+i]
		}
	}
}

// store writes the reconstructed macroblock.
func (w *work) store(e *encoder, x, y int) {
	e.rec.blocks(x, y, func(i int, samples []byte, stride int) { storeBlock(&w.out[i], samples, stride) })
}

// edge returns the samples around block i of luma. The blocks before it are in out.
func (w *work) edge(i int) (e edge4) {
	r, c := i>>2, i&3
	for k := range 4 {
		if c > 0 {
			e[3-k] = w.out[i-1][4*k+3]
		} else {
			e[3-k] = w.luma.left[4*r+k]
		}
		if r > 0 {
			e[5+k] = w.out[i-4][12+k]
		} else {
			e[5+k] = w.luma.top[4*c+k]
		}
		switch {
		case c == 3: // in all rows the samples above the macroblock, as the others are not coded yet
			e[9+k] = w.right[k]
		case r > 0:
			e[9+k] = w.out[i-3][12+k]
		default:
			e[9+k] = w.luma.top[4*c+4+k]
		}
	}
	switch {
	case r > 0 && c > 0:
		e[4] = w.out[i-5][15]
	case r > 0:
		e[4] = w.luma.left[4*r-1]
	case c > 0:
		e[4] = w.luma.top[4*c-1]
	default:
		e[4] = w.luma.corner
	}
	return e
}
