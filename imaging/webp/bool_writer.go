package webp

import (
	"math"
	"math/bits"
)

// boolWriter is the arithmetic encoder of RFC 6386, section 7.
type boolWriter struct {
	buf   []byte
	span  uint32 // the range minus one: 127 to 254
	low   uint32
	extra int // bits of low beyond the next byte
	ones  int // pending bytes of 0xff, which a carry turns into zeros
}

func newBoolWriter() *boolWriter { return &boolWriter{span: 254, extra: -8} }

// put writes a bit that is false with a probability of prob/256.
func (w *boolWriter) put(bit bool, prob uint8) {
	split := w.span * uint32(prob) >> 8
	if bit {
		w.low += split + 1
		w.span -= split + 1
	} else {
		w.span = split
	}
	if w.span < 127 {
		shift := 7 - (bits.Len32(w.span+1) - 1)
		w.span = (w.span+1)<<shift - 1
		w.low <<= shift
		if w.extra += shift; w.extra > 0 {
			w.flush()
		}
	}
}

// flush writes the next byte, or holds it back if it is 0xff.
func (w *boolWriter) flush() {
	shift := 8 + w.extra
	due := w.low >> shift
	w.low -= due << shift
	w.extra -= 8
	if due&0xff == 0xff {
		w.ones++
		return
	}
	held := byte(0xff)
	if due&0x100 != 0 {
		w.buf[len(w.buf)-1]++ // not 0xff, because such a byte is held back
		held = 0
	}
	for ; w.ones > 0; w.ones-- {
		w.buf = append(w.buf, held)
	}
	w.buf = append(w.buf, byte(due))
}

// putUint writes the n low bits of v with even probability.
func (w *boolWriter) putUint(v uint32, n int) {
	for n--; n >= 0; n-- {
		w.put(v>>n&1 != 0, 128)
	}
}

// putOptional writes a signed value of n bits, or a single bit for 0.
func (w *boolWriter) putOptional(v, n int) {
	w.put(v != 0, 128)
	if v != 0 {
		w.putUint(uint32(max(v, -v)), n)
		w.put(v < 0, 128)
	}
}

// finish returns the data.
func (w *boolWriter) finish() []byte {
	w.putUint(0, 9-w.extra)
	w.extra = 0
	w.flush()
	return w.buf
}

// bitCost is the cost of a bit by its probability of i/256, in 1/256 bits.
var bitCost = func() (t [257]int32) {
	for i := 1; i < len(t); i++ {
		t[i] = int32(math.Round(-256 * math.Log2(float64(i)/256)))
	}
	t[0] = t[1]
	return t
}()

// cost returns the length of what put writes, in 1/256 bits.
func cost(bit bool, prob uint8) int32 {
	if bit {
		return bitCost[256-int(prob)]
	}
	return bitCost[prob]
}
