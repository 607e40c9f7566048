package resize

import (
	"encoding/binary"
	"sync"
)

// Source is the picture to scale: rows of interleaved 8-bit channels. Colour
// channels beside an alpha channel have to be premultiplied.
type Source struct {
	Width, Height int
	Channels      int // 1 or 4
	// Row gives row y: either a part of the picture, or buf, which has room for
	// Width*Channels bytes, filled. It is asked once for each row that is
	// needed, from the top down.
	Row func(y int, buf []byte) []byte
}

// Plane gives the source for samples in memory, rows stride bytes apart.
func Plane(pix []byte, stride, width, height, channels int) Source {
	n := width * channels
	return Source{width, height, channels, func(y int, _ []byte) []byte {
		return pix[y*stride : y*stride+n]
	}}
}

// Scale writes src, scaled by the axes, to dst, whose rows are stride bytes
// apart. Its scratch memory is about Channels*Width*(8+4*ratio) bytes. Safe for
// concurrent use with different destinations.
func Scale(dst []byte, stride int, src Source, x, y Axis) {
	if x.identity() && y.identity() {
		n := src.Width * src.Channels
		for row := range src.Height {
			out := dst[row*stride : row*stride+n]
			copy(out, src.Row(row, out))
		}
		return
	}
	if !scaleVectors(dst, stride, src, x, y) {
		scalePlain(dst, stride, src, x, y)
	}
}

// scalePlain is Scale without vector instructions.
func scalePlain(dst []byte, stride int, src Source, x, y Axis) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	across, down := x.windows(), y.windows()
	s.prepare(src, down)
	s.mid = resized(s.mid, src.Width*src.Channels)
	for row := 0; row < y.Dst; row += 2 {
		first := down[row]
		s.vertical(src, first, false)
		out := dst[row*stride:]
		if row+1 == y.Dst {
			s.horizontal(out, nil, across, src.Channels)
			break
		}
		s.vertical(src, down[row+1], true)
		s.horizontal(out, dst[(row+1)*stride:], across, src.Channels)
	}
	s.release()
}

// scratch holds what one Scale needs beside its source: the source rows that the
// windows reach, and two rows after the vertical pass, one in either half of mid.
type scratch struct {
	ring [][]byte // row y of the source is at y modulo the length
	bufs [][]byte
	next int // first source row that was not asked for yet
	taps [][]byte
	mid  []uint64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// prepare sizes the buffers: the ring must hold the widest window, and the one
// after it may start earlier than this one's end.
func (s *scratch) prepare(src Source, down []window) {
	depth := 1
	for _, w := range down {
		depth = max(depth, len(w.coefs))
	}
	n := src.Width * src.Channels
	s.next = 0
	s.ring = resized(s.ring, depth)
	s.bufs = resized(s.bufs, depth)
	s.taps = resized(s.taps, depth)
	for i := range s.bufs {
		s.bufs[i] = resized(s.bufs[i], n)
	}
}

// release drops the references to the source, so that the pool keeps none alive.
func (s *scratch) release() {
	clear(s.ring[:cap(s.ring)])
	clear(s.taps[:cap(s.taps)])
}

func resized[T any](b []T, n int) []T {
	if cap(b) < n {
		grown := make([]T, n)
		copy(grown, b[:cap(b)])
		return grown
	}
	return b[:n]
}

// rows gives the source rows of a window.
func (s *scratch) rows(src Source, w window) [][]byte {
	s.next = max(s.next, w.first)
	for ; s.next < w.first+len(w.coefs); s.next++ {
		slot := s.next % len(s.ring)
		s.ring[slot] = src.Row(s.next, s.bufs[slot])
	}
	taps := s.taps[:len(w.coefs)]
	for k := range taps {
		taps[k] = s.ring[(w.first+k)%len(s.ring)]
	}
	return taps
}

// lanes selects every fourth byte of a word: samples 0 and 4.
const lanes = 0x000000ff_000000ff

// vertical computes one row of the vertical pass into the low half of mid, or
// adds it into the high half. A word of two lanes times a coefficient is two
// products; a negative low one borrows from the high one, which low and high undo.
func (s *scratch) vertical(src Source, w window, upper bool) {
	rows := s.rows(src, w)
	n := len(s.mid)
	i := 0
	for ; i+8 <= n; i += 8 {
		var a, b, c, d uint64
		for k, coef := range w.coefs {
			v := binary.LittleEndian.Uint64(rows[k][i : i+8])
			a += v & lanes * coef
			b += v >> 8 & lanes * coef
			c += v >> 16 & lanes * coef
			d += v >> 24 & lanes * coef
		}
		store((*[8]uint64)(s.mid[i:i+8]), a, b, c, d, upper)
	}
	for ; i < n; i++ {
		var a uint64
		for k, coef := range w.coefs {
			a += uint64(rows[k][i]) * coef
		}
		if upper {
			s.mid[i] += low(a) << 32
		} else {
			s.mid[i] = low(a)
		}
	}
}

func store(mid *[8]uint64, a, b, c, d uint64, upper bool) {
	if upper {
		mid[0] += low(a) << 32
		mid[1] += low(b) << 32
		mid[2] += low(c) << 32
		mid[3] += low(d) << 32
		mid[4] += high(a) << 32
		mid[5] += high(b) << 32
		mid[6] += high(c) << 32
		mid[7] += high(d) << 32
		return
	}
	mid[0], mid[1], mid[2], mid[3] = low(a), low(b), low(c), low(d)
	mid[4], mid[5], mid[6], mid[7] = high(a), high(b), high(c), high(d)
}

const (
	midShift = coefBits - midBits
	midRound = 1 << (midShift - 1)
	outShift = coefBits + midBits
	outRound = 1 << (outShift - 1)
)

// low and high take a lane of a sum of products as a signed number and round it
// to midBits fractional bits.
func low(v uint64) uint64  { return uint64((int64(int32(uint32(v))) + midRound) >> midShift) }
func high(v uint64) uint64 { return uint64((int64(v+1<<31)>>32 + midRound) >> midShift) }

// horizontal computes the rows of the destination from the two in mid; upper is
// nil where there is only one.
func (s *scratch) horizontal(lower, upper []byte, across []window, channels int) {
	if channels == 4 {
		s.horizontal4(lower, upper, across)
		return
	}
	for i, w := range across {
		mid := s.mid[w.first : w.first+len(w.coefs)]
		var sum uint64
		for k, coef := range w.coefs {
			sum += mid[k] * coef
		}
		lower[i] = sample(int64(int32(uint32(sum))))
		if upper != nil {
			upper[i] = sample(int64(sum+1<<31) >> 32)
		}
	}
}

// horizontal4 keeps a colour from exceeding its alpha: the kernel's overshoot
// would otherwise leave pixels that no premultiplied picture can have.
func (s *scratch) horizontal4(lower, upper []byte, across []window) {
	for i, w := range across {
		mid := s.mid[4*w.first : 4*(w.first+len(w.coefs))]
		var r, g, b, a uint64
		for k, coef := range w.coefs {
			px := (*[4]uint64)(mid[4*k : 4*k+4])
			r += px[0] * coef
			g += px[1] * coef
			b += px[2] * coef
			a += px[3] * coef
		}
		out := (*[4]byte)(lower[4*i : 4*i+4])
		alpha := sample(int64(int32(uint32(a))))
		out[0] = min(sample(int64(int32(uint32(r)))), alpha)
		out[1] = min(sample(int64(int32(uint32(g)))), alpha)
		out[2] = min(sample(int64(int32(uint32(b)))), alpha)
		out[3] = alpha
		if upper != nil {
			out = (*[4]byte)(upper[4*i : 4*i+4])
			alpha = sample(int64(a+1<<31) >> 32)
			out[0] = min(sample(int64(r+1<<31)>>32), alpha)
			out[1] = min(sample(int64(g+1<<31)>>32), alpha)
			out[2] = min(sample(int64(b+1<<31)>>32), alpha)
			out[3] = alpha
		}
	}
}

func sample(v int64) byte {
	return byte(min(max((v+outRound)>>outShift, 0), 255))
}
