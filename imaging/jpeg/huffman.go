package jpeg

import (
	"math/bits"
	"unsafe"
)

// fastBits is the number of bits that index the look-up tables.
const fastBits = 10

// endOfBlock is the run of the code 0/0. It moves any index past the last coefficient.
const endOfBlock = 64

// huffman is a Huffman table (T.81 annex C), as defined in the file and as compiled for decoding.
type huffman struct {
	// fast maps the next fastBits bits to an entry for the code at their start:
	//	value<<16 | run<<8 | length  a code and its value bits, length > 0 bits in total;
	//	symbol<<16 | length<<8       a code whose value bits don't fit;
	//	0                            a longer or invalid code.
	// In a DC table the value is the difference and the run is 0.
	fast [1 << fastBits]uint32

	limit  [maxCode + 1]uint32 // limit[n]: first 16-bit window above the codes of up to n bits
	offset [maxCode + 1]int32  // offset[n] + code: index in vals of an n-bit code

	counts   [maxCode]uint8
	vals     [256]uint8
	class    uint8
	defined  bool
	compiled bool
	captured bool // a scan refers to the table, so it must not change
}

// noCodes stands for an undefined table, with which decoding fails. All decoders share it and don't modify it.
var noCodes huffman

// tableBytes is the size of a table, and maxTables the limit per file. Typical files have up to a dozen.
const (
	tableBytes = int(unsafe.Sizeof(huffman{}))
	maxTables  = 128
)

// maxCode is the length in bits of the longest code.
const maxCode = 16

// define reads a table of a DHT segment (T.81 B.2.4.2) from p and returns the rest of p.
func (h *huffman) define(class uint8, p []byte) ([]byte, error) {
	total := 0
	for _, c := range p[:maxCode] {
		total += int(c)
	}
	switch {
	case total == 0:
		return nil, formatError("Huffman table has no codes")
	case total > len(h.vals):
		return nil, formatError("Huffman table has more than 256 codes")
	case total > len(p)-maxCode:
		return nil, formatError("DHT has wrong length")
	}
	copy(h.counts[:], p)
	copy(h.vals[:], p[maxCode:maxCode+total])
	h.class, h.defined, h.compiled = class, true, false
	return p[maxCode+total:], nil
}

// compile builds the lookup tables.
func (h *huffman) compile() error {
	if h.compiled || !h.defined {
		return nil
	}
	h.fast = [1 << fastBits]uint32{}
	code, k := uint32(0), 0
	for n := 1; n <= maxCode; n++ {
		h.offset[n] = int32(k) - int32(code)
		for range h.counts[n-1] {
			if n <= fastBits && code < 1<<n {
				h.enter(code, uint(n), h.vals[k])
			}
			code++
			k++
		}
		if code > 1<<n {
			return unsupported("Huffman table has more codes than fit their lengths")
		}
		h.limit[n] = code << (maxCode - n)
		code <<= 1
	}
	h.compiled = true
	return nil
}

// enter fills the entries of fast for a code of n bits.
func (h *huffman) enter(code uint32, n uint, symbol uint8) {
	run, size := uint32(symbol>>4), uint(symbol&15)
	if h.class == 0 {
		run, size = 0, uint(symbol)
	}
	base := code << (fastBits - n)
	span := h.fast[base : base+1<<(fastBits-n)]
	entry := uint32(symbol)<<16 | uint32(n)<<8
	switch {
	case h.class == 1 && symbol == 0:
		entry = endOfBlock<<8 | uint32(n)
	case h.class == 0 && size == 0:
		entry = uint32(n)
	case size > 0 && n+size <= fastBits:
		each := len(span) >> size
		for i := range span {
			v := extend(uint64(i/each)<<(64-size), size)
			span[i] = uint32(v)<<16 | run<<8 | uint32(n+size)
		}
		return
	}
	for i := range span {
		span[i] = entry
	}
}

// long decodes a code that fast doesn't decode completely. entry is the entry of fast for the left-aligned bits acc. The
// length is 0 if no code matches.
func (h *huffman) long(entry uint32, acc uint64) (symbol uint8, length uint) {
	if entry != 0 {
		return uint8(entry >> 16), uint(entry>>8) & 31
	}
	if !h.compiled {
		return 0, 0
	}
	window := uint32(acc >> (64 - maxCode))
	for n := fastBits + 1; n <= maxCode; n++ {
		if window < h.limit[n] {
			return h.vals[uint8(h.offset[n]+int32(window>>(maxCode-n)))], uint(n)
		}
	}
	return 0, 0
}

// extend returns the signed value that the first size bits of acc, 1 to 16, represent (T.81 F.2.2.1).
func extend(acc uint64, size uint) int32 {
	v := int32(acc >> ((64 - size) & 63))
	return v + int32(^int64(acc)>>63)&(-1<<(size&31)+1)
}

// codeBits returns the length of the code, without the value bits, of a fast entry with a value.
func codeBits(entry uint32) uint {
	v := int32(entry) >> 16
	return uint(entry&0xff) - uint(bits.Len32(uint32(max(v, -v))))
}
