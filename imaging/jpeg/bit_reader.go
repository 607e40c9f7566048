package jpeg

import (
	"bytes"
	"encoding/binary"
)

// chunkSize is the number of bytes unstuffed at a time. It fits well into the first-level cache.
const chunkSize = 2 << 10

// bitReader reads the bits of an entropy-coded segment, most significant first. Past the end of the segment it supplies
// zeros and counts them, so that the hot loops need no check. overrun reports whether any were used.
type bitReader struct {
	acc     uint64 // the next n bits, left-aligned; bits below are zero or already match the next byte
	n       uint   // valid bits of acc
	phantom uint   // zero bits added past the end since start
	pos     int    // next byte of buf
	end     int    // end of the bytes in buf
	ended   bool   // next is at a marker or at the end of src
	next    int    // next byte of src to unstuff
	src     []byte
	buf     [chunkSize]byte
}

// start begins a segment at src[at].
func (r *bitReader) start(at int) {
	r.acc, r.n, r.phantom = 0, 0, 0
	r.pos, r.end = 0, 0
	r.ended, r.next = false, at
}

// overrun reports whether more bits were read than the segment holds.
func (r *bitReader) overrun() bool { return r.n < r.phantom }

// refill returns the register acc with n valid bits filled up to at least 56 bits.
func (r *bitReader) refill(acc uint64, n uint) (uint64, uint) {
	if r.end-r.pos >= 8 {
		acc |= binary.BigEndian.Uint64(r.buf[r.pos:]) >> (n & 63)
		r.pos += int((63 - n) >> 3)
		return acc, n | 56
	}
	return r.refillSlow(acc, n)
}

// refillSlow is refill near the end of a chunk.
func (r *bitReader) refillSlow(acc uint64, n uint) (uint64, uint) {
	for n <= 56 {
		if r.pos == r.end && !r.chunk() {
			r.phantom += 64 - n
			return acc, 64
		}
		acc |= uint64(r.buf[r.pos]) << (56 - n)
		r.pos++
		n += 8
	}
	return acc, n
}

// chunk unstuffs the next bytes of the segment (T.81 B.1.1.5) into buf. It returns false at the end of the segment.
func (r *bitReader) chunk() bool {
	if r.ended {
		return false
	}
	r.pos, r.end = 0, 0
	for r.end < chunkSize {
		rest := r.src[r.next:]
		if room := chunkSize - r.end; len(rest) > room {
			rest = rest[:room]
		}
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 {
			i = len(rest)
		}
		copy(r.buf[r.end:], rest[:i])
		r.end += i
		r.next += i
		if i == len(rest) {
			r.ended = r.next == len(r.src)
			break
		}
		if r.next+1 >= len(r.src) || r.src[r.next+1] != 0 {
			r.ended = true
			break
		}
		r.buf[r.end] = 0xff
		r.end++
		r.next += 2
	}
	return r.end > 0
}

// finish skips the rest of the segment and returns the offset of the marker that ends it, or the length of the source.
func (r *bitReader) finish() int {
	for !r.ended {
		i := bytes.IndexByte(r.src[r.next:], 0xff)
		switch at := r.next + i; {
		case i < 0:
			r.next, r.ended = len(r.src), true
		case at+1 < len(r.src) && r.src[at+1] == 0:
			r.next = at + 2
		default:
			r.next, r.ended = at, true
		}
	}
	return r.next
}

// restart skips the rest of the segment and starts the segment after the restart marker want. It returns an error if
// another marker comes first.
func (r *bitReader) restart(want byte) error {
	at := r.finish()
	for {
		i := bytes.IndexByte(r.src[at:], 0xff)
		if i < 0 {
			return errShort
		}
		at += i
		for at < len(r.src) && r.src[at] == 0xff {
			at++
		}
		switch {
		case at == len(r.src):
			return errShort
		case r.src[at] == want:
			r.start(at + 1)
			return nil
		case r.src[at] != 0:
			return formatError("marker other than the expected RST")
		}
	}
}

// atMarker reports whether the restart marker want follows the bits read so far, except for padding with ones
// (T.81 F.1.2.3).
func (r *bitReader) atMarker(want byte) bool {
	if r.pos == r.end {
		r.chunk()
	}
	left := int(r.n) - int(r.phantom)
	if !r.ended || r.pos < r.end || left < 0 || left >= 8 || ^r.acc>>(64-uint(left)) != 0 {
		return false
	}
	return r.next+1 < len(r.src) && r.src[r.next+1] == want
}
