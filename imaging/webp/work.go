package webp

// work is what choosing for one macroblock needs: its samples, in blocks of 4 x 4,
// and what surrounds it.
type work struct {
	source [blockDC][16]byte
	out    [blockDC][16]byte // as decoders will see it
	luma   square
	chroma [2]square
	right  [4]byte // four more to the right of the row above

	costs     *costs
	seg       *segment
	lambda    int64 // what 1/256 bit of luma may cost in squared samples, in 1/256
	top, left context
}

// load takes a macroblock of the source and the edges of its neighbours.
func (w *work) load(e *encoder, x, y int) {
	for i := range firstU {
		loadBlock(&w.source[i], e.src.y[(16*y+i>>2*4)*e.src.stride+16*x+i&3*4:], e.src.stride)
	}
	half := e.src.stride / 2
	for i := range 4 {
		at := (8*y+i>>1*4)*half + 8*x + i&1*4
		loadBlock(&w.source[firstU+i], e.src.u[at:], half)
		loadBlock(&w.source[firstV+i], e.src.v[at:], half)
	}
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

func loadBlock(b *[16]byte, src []byte, stride int) {
	for r := range 4 {
		copy(b[4*r:4*r+4], src[r*stride:])
	}
}

// load takes the edges from a plane of what decoders see (RFC 6386, section 12.2):
// 127 above the picture, 129 to its left.
func (s *square) load(side int, plane []byte, stride, x, y int) {
	s.side, s.atTop, s.atLeft = side, y == 0, x == 0
	at := side*y*stride + side*x
	for i := range side {
		s.top[i], s.left[i] = 127, 129
		if !s.atTop {
			s.top[i] = plane[at-stride+i]
		}
		if !s.atLeft {
			s.left[i] = plane[at+i*stride-1]
		}
	}
	switch {
	case s.atTop:
		s.corner = 127
	case s.atLeft:
		s.corner = 129
	default:
		s.corner = plane[at-stride-1]
	}
}

// block gives a block of the prediction.
func (s *square) block(i int, out *[16]byte) {
	perRow := s.side / 4
	loadBlock(out, s.predicted[i/perRow*4*s.side+i%perRow*4:], s.side)
}

// store writes the macroblock as decoders will see it.
func (w *work) store(e *encoder, x, y int) {
	for i := range firstU {
		storeBlock(&w.out[i], e.rec.y[(16*y+i>>2*4)*e.rec.stride+16*x+i&3*4:], e.rec.stride)
	}
	half := e.rec.stride / 2
	for i := range 4 {
		at := (8*y+i>>1*4)*half + 8*x + i&1*4
		storeBlock(&w.out[firstU+i], e.rec.u[at:], half)
		storeBlock(&w.out[firstV+i], e.rec.v[at:], half)
	}
}

func storeBlock(b *[16]byte, dst []byte, stride int) {
	for r := range 4 {
		copy(dst[r*stride:], b[4*r:4*r+4])
	}
}

// edge gives what surrounds block i of luma, of which those before it are in out.
func (w *work) edge(i int) (e edge4) {
	r, c := i>>2, i&3
	for k := range 4 {
		switch {
		case c > 0:
			e[3-k] = w.out[i-1][4*k+3]
		default:
			e[3-k] = w.luma.left[4*r+k]
		}
		switch {
		case r > 0:
			e[5+k] = w.out[i-4][12+k]
		default:
			e[5+k] = w.luma.top[4*c+k]
		}
		switch {
		case c == 3: // in every row that above the macroblock, as the rest is not there yet
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
