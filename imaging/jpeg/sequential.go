package jpeg

import (
	"encoding/binary"

	"vitrine/imaging/jpeg/dct"
)

// refillBelow is the number of bits that is enough for any code and its value.
const refillBelow = 32

// sequential decodes a block of a sequential scan and writes its samples to the band.
func (d *decoder) sequential(s *scan, c *scanComponent, bx, y int) error {
	if err := s.dcDifference(c); err != nil {
		return err
	}
	mask := uint64(0)
	if s.eobRun > 0 { // like image/jpeg, accept this code of progressive files in sequential ones
		s.eobRun--
	} else {
		var err error
		if mask, err = s.coefficients(c.ac, &c.quant, &d.block); err != nil {
			return err
		}
	}
	d.block[0] = c.pred * c.quant[0]
	d.emit(c.component, bx, y, mask)
	return nil
}

// dcDifference decodes the difference to the DC of the previous block (T.81 F.2.2.1) and adds it to c.pred.
func (s *scan) dcDifference(c *scanComponent) error {
	r := &s.bits
	if r.n < refillBelow {
		r.acc, r.n = r.refill(r.acc, r.n)
	}
	e := c.dc.fast[r.acc>>(64-fastBits)]
	if length := uint(e & 0xff); length != 0 {
		r.acc <<= length & 63
		r.n -= length
		c.pred += int32(e) >> 16
		return nil
	}
	size, length := c.dc.long(e, r.acc)
	if length == 0 || size > 16 {
		return formatError("invalid Huffman code")
	}
	r.acc <<= length & 63
	r.n -= length
	if size > 0 {
		c.pred += extend(r.acc, uint(size))
		r.acc <<= size & 63
		r.n -= uint(size)
	}
	return nil
}

// coefficients decodes and dequantises the AC coefficients of a block (T.81 F.2.2.2) into b and returns the mask of their
// indices.
func (s *scan) coefficients(h *huffman, q *[64]int32, b *dct.Block) (mask uint64, err error) {
	r := &s.bits
	acc, n := r.acc, r.n
	for k := uint(1); k < 64; k++ {
		if n < refillBelow {
			if at := r.pos; r.end-at >= 8 { // refill, which the compiler doesn't inline
				acc |= binary.BigEndian.Uint64(r.buf[at:]) >> (n & 63)
				r.pos = at + int((63-n)>>3)
				n |= 56
			} else {
				acc, n = r.refillSlow(acc, n)
			}
		}
		e := h.fast[acc>>(64-fastBits)]
		length := uint(e & 0xff)
		if length == 0 {
			symbol, length := h.long(e, acc)
			if length == 0 {
				return 0, formatError("invalid Huffman code")
			}
			acc <<= length & 63
			n -= length
			run, size := uint(symbol>>4), uint(symbol&15)
			if size == 0 {
				if run != 15 {
					s.eobRun = 1<<run - 1
					if run > 0 {
						s.eobRun += int(acc >> (64 - run))
						acc <<= run
						n -= run
					}
					break
				}
				k += 15
				continue
			}
			if k += run; k > 63 {
				break
			}
			z := dct.ZigZag[k] & 63
			b[z] = extend(acc, size) * q[k]
			mask |= 1 << z
			acc <<= size
			n -= size
			continue
		}
		if k += uint(e>>8) & 0xff; k > 63 {
			if e>>8&0xff != endOfBlock {
				length = codeBits(e)
			}
			acc <<= length & 63
			n -= length
			break
		}
		acc <<= length & 63
		n -= length
		z := dct.ZigZag[k] & 63
		b[z] = (int32(e) >> 16) * q[k]
		mask |= 1 << z
	}
	r.acc, r.n = acc, n
	return mask, nil
}
