package jpegenc

import (
	"math/bits"

	"vitrine/imaging/jpeg/dct"
)

// divisors divide by eight times the quantisers by way of a multiplication, rounding to nearest and halves away from
// zero. With d = 8q <= 2040, m = floor(2^32/d) + 1 and 0 <= n < 2^21, n*m>>32 equals n/d, because m*d exceeds 2^32 by at
// most d, and n*d < 2^32.
type divisors [64]struct {
	multiplier uint64
	half       uint32
}

func newDivisors(q *[64]uint8) (d divisors) {
	for k, v := range q {
		d[k].multiplier = 1<<32/(8*uint64(v)) + 1
		d[k].half = 4 * uint32(v)
	}
	return d
}

// block transforms, quantises and codes a block of samples of component c.
func (e *encoder) block(b *dct.Block, c int) {
	dct.Forward(b)
	class := min(c, 1)
	var levels [64]int32 // by zigzag index
	mask := uint64(0)
	div := &e.divide[class]
	for k := range levels {
		v := b[dct.ZigZag[k]&63]
		sign := v >> 31
		n := uint32((v^sign)-sign) + div[k].half
		level := int32(uint64(n) * div[k].multiplier >> 32)
		levels[k] = (level ^ sign) - sign
		mask = mask>>1 | uint64(uint32(-level)>>31)<<63
	}
	difference := levels[0] - e.dc[c]
	e.dc[c] = levels[0]
	if e.counts != nil {
		e.addTokens(&levels, mask, difference, class)
		return
	}
	e.code(&levels, mask, difference, &e.codes[2*class], &e.codes[2*class+1])
}

// code writes a block (T.81 F.1.2): the DC difference, then runs of zeros, each followed by a non-zero coefficient.
func (e *encoder) code(levels *[64]int32, mask uint64, difference int32, dc, ac *[256]code) {
	w := &e.out
	acc, n := w.acc, w.n // as in put, which the compiler does not inline
	value, size := magnitude(difference)
	symbol := dc[size&15]
	length := uint(symbol&0xff) + size
	acc = acc<<(length&63) | uint64(symbol>>8)<<(size&63) | uint64(value)
	if n += length; n >= 32 {
		n -= 32
		w.word(uint32(acc >> (n & 63)))
	}
	last := 0
	for mask &^= 1; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros64(mask) & 63
		run := k - last - 1
		last = k
		if run > 15 {
			w.acc, w.n = acc, n
			for ; run > 15; run -= 16 {
				w.put(uint32(ac[0xf0]>>8), uint(ac[0xf0]&0xff))
			}
			acc, n = w.acc, w.n
		}
		value, size := magnitude(levels[k])
		symbol := ac[uint8(run<<4)|uint8(size&15)]
		length := uint(symbol&0xff) + size
		acc = acc<<(length&63) | uint64(symbol>>8)<<(size&63) | uint64(value)
		if n += length; n >= 32 {
			n -= 32
			w.word(uint32(acc >> (n & 63)))
		}
	}
	w.acc, w.n = acc, n
	if last != 63 {
		w.put(uint32(ac[0]>>8), uint(ac[0]&0xff))
	}
}

// magnitude returns the size of a value in bits, and the bits that distinguish it from other values of that size
// (T.81 F.1.2.1).
func magnitude(v int32) (value uint32, size uint) {
	sign := v >> 31
	size = uint(bits.Len32(uint32((v ^ sign) - sign)))
	return uint32(v+sign) & (1<<(size&31) - 1), size
}
