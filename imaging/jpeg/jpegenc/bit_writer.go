package jpegenc

import "encoding/binary"

// blockBytes is the maximum size of a coded block: 64 codes with their values, all bytes stuffed.
const blockBytes = 512

// bitWriter appends entropy-coded bits to a byte slice and stuffs a zero byte after each 0xff (T.81 B.1.1.5).
type bitWriter struct {
	dst []byte // written up to at
	at  int
	acc uint64 // the last n bits, right-aligned
	n   uint
}

// reserve makes room for the given number of blocks. put relies on that room.
func (w *bitWriter) reserve(blocks int) {
	if need := w.at + blocks*blockBytes; need > len(w.dst) {
		w.dst = append(w.dst, make([]byte, need-len(w.dst)+len(w.dst)/2)...)
	}
}

// put appends the low n bits of v. n is at most 32, and the other bits of v are zero.
func (w *bitWriter) put(v uint32, n uint) {
	w.acc = w.acc<<(n&63) | uint64(v)
	w.n += n
	if w.n >= 32 {
		w.n -= 32
		w.word(uint32(w.acc >> (w.n & 63)))
	}
}

// word stores four bytes, stuffed.
func (w *bitWriter) word(v uint32) {
	if v&^(v+0x01010101)&0x80808080 == 0 { // adding one cleared no high bit: no byte is 0xff
		binary.BigEndian.PutUint32(w.dst[w.at:], v)
		w.at += 4
		return
	}
	for shift := 24; shift >= 0; shift -= 8 {
		w.store(uint8(v >> shift))
	}
}

// store stores a byte, stuffed.
func (w *bitWriter) store(v uint8) {
	w.dst[w.at] = v
	w.at++
	if v == 0xff {
		w.dst[w.at] = 0
		w.at++
	}
}

// flush pads the last byte with ones (T.81 F.1.2.3) and returns the data.
func (w *bitWriter) flush() []byte {
	w.reserve(1)
	w.put(0x7f, 7)
	for ; w.n >= 8; w.n -= 8 {
		w.store(uint8(w.acc >> (w.n - 8)))
	}
	w.acc, w.n = 0, 0
	return w.dst[:w.at]
}
