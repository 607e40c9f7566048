package jpeg

import (
	"math/bits"

	"vitrine/imaging/jpeg/dct"
)

// slots describes which coefficients of a block a scale needs and where they are kept.
type slots struct {
	kept int
	at   [64]uint8 // slot by zigzag index; kept or above for coefficients that are not kept
}

// slotTables holds the slots for scales 1, 2, 4 and 8, which keep 64, 16, 4 and 1 coefficients.
var slotTables = func() (tables [4]slots) {
	for i := range tables {
		side := uint8(8 >> i)
		t := &tables[i]
		for k, z := range dct.ZigZag {
			t.at[k] = 64
			if z%8 < side && z/8 < side {
				t.at[k] = uint8(t.kept)
				t.kept++
			}
		}
	}
	return tables
}()

// slotsAt returns the slots of a scale.
func slotsAt(scale int) *slots { return &slotTables[bits.TrailingZeros8(uint8(scale))&3] }

// dcFirst decodes the leading bits of a DC coefficient (T.81 G.1.2.1).
func (s *scan) dcFirst(c *scanComponent, at int) error {
	if err := s.dcDifference(c); err != nil {
		return err
	}
	v := c.pred << s.low
	if v != int32(int16(v)) {
		return unsupported("coefficient exceeds 16 bits")
	}
	c.coef[at*c.kept] = int16(v)
	return nil
}

// dcRefine adds one bit to a DC coefficient.
func (s *scan) dcRefine(c *scanComponent, at int) {
	r := &s.bits
	if r.n < 1 {
		r.acc, r.n = r.refill(r.acc, r.n)
	}
	c.coef[at*c.kept] |= int16(r.acc >> 63 << s.low)
	r.acc <<= 1
	r.n--
}

// acFirst decodes the leading bits of a band of AC coefficients (T.81 G.1.2.2).
func (s *scan) acFirst(c *scanComponent, at int, slot *slots) error {
	if s.eobRun > 0 {
		s.eobRun--
		return nil
	}
	coef := c.coef[at*c.kept:][:c.kept]
	mask := c.masks[at]
	overflow := int32(0)
	for k := s.start; k <= s.end; k++ {
		run, v, err := s.acSymbol(c.ac, s.end-k)
		if err != nil {
			return err
		}
		if k += run; k > s.end {
			break
		}
		if v == 0 {
			continue // a run of sixteen zeros
		}
		v <<= s.low
		overflow |= v ^ int32(int16(v))
		mask |= 1 << (k & 63)
		if i := int(slot.at[k&63]); i < len(coef) {
			coef[i] = int16(v)
		}
	}
	c.masks[at] = mask
	if overflow != 0 {
		return unsupported("coefficient exceeds 16 bits")
	}
	return nil
}

// acSymbol decodes a run of zeros and the value that follows, which is 0 after a run of sixteen. A run of endOfBlock or more
// ends the band and sets s.eobRun to the number of further blocks it covers. acSymbol consumes the bits of the value only
// if the run is at most room.
func (s *scan) acSymbol(h *huffman, room int) (run int, v int32, err error) {
	r := &s.bits
	if r.n < refillBelow {
		r.acc, r.n = r.refill(r.acc, r.n)
	}
	e := h.fast[r.acc>>(64-fastBits)]
	if length := uint(e & 0xff); length != 0 {
		run = int(e >> 8 & 0xff)
		if run > room && run != endOfBlock {
			length = codeBits(e)
		}
		r.acc <<= length & 63
		r.n -= length
		return run, int32(e) >> 16, nil
	}
	symbol, length := h.long(e, r.acc)
	if length == 0 {
		return 0, 0, formatError("invalid Huffman code")
	}
	r.acc <<= length & 63
	r.n -= length
	run, size := int(symbol>>4), uint(symbol&15)
	switch {
	case size == 0 && run == 15:
		return 15, 0, nil
	case size == 0:
		s.eobRun = 1<<run - 1
		if run > 0 {
			s.eobRun += int(r.acc >> (64 - run))
			r.acc <<= run
			r.n -= uint(run)
		}
		return endOfBlock, 0, nil
	case run <= room:
		v = extend(r.acc, size)
		r.acc <<= size
		r.n -= size
	}
	return run, v, nil
}

// reconstruct computes the samples of a row of units from its coefficients.
func (d *decoder) reconstruct(my int) {
	f := &d.frame
	for i := range f.n {
		c := &d.comp[i]
		if !c.seen {
			continue
		}
		// The number of blocks that hold part of the picture, by the component's own size.
		right := (f.width*c.h + 8*f.maxH - 1) / (8 * f.maxH)
		below := (f.height*c.v + 8*f.maxV - 1) / (8 * f.maxV)
		for y := range min(c.v, below-my*c.v) {
			for bx := range right {
				d.emit(c, bx, y, d.dequantise(c, y*c.across+bx))
			}
		}
	}
}

// dequantise stores the coefficients of a block in d.block and returns the mask of the AC coefficients.
func (d *decoder) dequantise(c *component, at int) (mask uint64) {
	q, b := &d.quant[c.tq], &d.block
	coef := c.coef[at*c.kept:][:c.kept]
	b[0] = int32(coef[0]) * q[0]
	if len(coef) == 64 {
		for m := c.masks[at]; m != 0; m &= m - 1 {
			k := bits.TrailingZeros64(m) & 63
			z := dct.ZigZag[k] & 63
			b[z] = int32(coef[k]) * q[k]
			mask |= 1 << z
		}
		return mask
	}
	for m := c.masks[at]; m != 0; m &= m - 1 {
		k := bits.TrailingZeros64(m) & 63
		if slot := int(d.slot.at[k]); slot < len(coef) {
			z := dct.ZigZag[k] & 63
			b[z] = int32(coef[slot]) * q[k]
			mask |= 1 << z
		}
	}
	return mask
}
