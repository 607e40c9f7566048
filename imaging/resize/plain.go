package resize

import "encoding/binary"

// plain scales without vector instructions. mid holds two rows after the vertical pass, in the low and high halves of its
// words; the horizontal pass processes both together.
type plain struct{ mid []uint64 }

// row processes the source rows of the next destination row. It writes two destination rows on every second call, and a
// single last row.
func (p *plain) row(s *Scaler, rows [][]byte, w window) {
	upper := s.done%2 == 1
	p.vertical(rows, w.coefs, upper)
	out := s.dst[s.done*s.stride:]
	switch {
	case upper:
		p.horizontal(s.dst[(s.done-1)*s.stride:], out, s.across, s.channels)
	case s.done+1 == s.height:
		p.horizontal(out, nil, s.across, s.channels)
	}
}

// lanes selects every fourth byte of a word: samples 0 and 4.
const lanes = 0x000000ff_000000ff

// vertical computes a row of the vertical pass in the low half of mid, or adds it to the high half. A word of two lanes
// multiplied by a coefficient holds two products. A negative low product borrows from the high one; the functions low and
// high correct that.
func (p *plain) vertical(rows [][]byte, coefs []uint64, upper bool) {
	n := len(p.mid)
	i := 0
	for ; i+8 <= n; i += 8 {
		var a, b, c, d uint64
		for k, coef := range coefs {
			v := binary.LittleEndian.Uint64(rows[k][i : i+8])
			a += v & lanes * coef
			b += v >> 8 & lanes * coef
			c += v >> 16 & lanes * coef
			d += v >> 24 & lanes * coef
		}
		store((*[8]uint64)(p.mid[i:i+8]), a, b, c, d, upper)
	}
	for ; i < n; i++ {
		var a uint64
		for k, coef := range coefs {
			a += uint64(rows[k][i]) * coef
		}
		if upper {
			p.mid[i] += low(a) << 32
		} else {
			p.mid[i] = low(a)
		}
	}
}

// store stores eight samples of the vertical pass in the upper or lower half of mid.
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

// low and high return a lane of a sum of products as a signed number, rounded to midBits fractional bits.
func low(v uint64) uint64  { return uint64((int64(int32(uint32(v))) + midRound) >> midShift) }
func high(v uint64) uint64 { return uint64((int64(v+1<<31)>>32 + midRound) >> midShift) }

// horizontal computes the two destination rows from mid. upper is nil if there is only one.
func (p *plain) horizontal(lower, upper []byte, across []window, channels int) {
	if channels == 4 {
		p.horizontal4(lower, upper, across)
		return
	}
	for i, w := range across {
		mid := p.mid[w.first : w.first+len(w.coefs)]
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

// horizontal4 is horizontal for four channels. It limits colours to alpha, because the overshoot of the kernel could exceed
// it, which is invalid in a premultiplied picture.
func (p *plain) horizontal4(lower, upper []byte, across []window) {
	for i, w := range across {
		mid := p.mid[4*w.first : 4*(w.first+len(w.coefs))]
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

// sample rounds a sum of products to a sample.
func sample(v int64) byte {
	return byte(min(max((v+outRound)>>outShift, 0), 255))
}
