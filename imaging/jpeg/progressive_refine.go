package jpeg

import "math/bits"

// acRefine adds one bit to each non-zero coefficient of a band and sets those that become non-zero (T.81 G.1.2.3).
func (s *scan) acRefine(c *scanComponent, at int, slot *slots) error {
	coef := c.coef[at*c.kept:][:c.kept]
	mask := c.masks[at]
	others := mask & s.band // non-zero coefficients from k on
	k, end := uint(s.start), uint(s.end)
	for s.eobRun == 0 && k <= end {
		run, v, err := s.acSymbol(c.ac, 63)
		switch {
		case err != nil:
			return err
		case run == endOfBlock:
			s.eobRun++ // this block is the first of the run
			continue
		case v < -1 || v > 1:
			return formatError("invalid Huffman code in a refinement scan")
		}
		place := afterZeros(others, k+uint(run))
		passed := others & (1<<place - 1)
		if err := s.correct(coef, passed, slot); err != nil {
			return err
		}
		if place > end {
			return formatError("more coefficients than the scan covers")
		}
		others ^= passed
		k = place + 1
		if v != 0 {
			mask |= 1 << place
			if i := int(slot.at[place&63]); i < len(coef) {
				coef[i] = int16(v << s.low)
			}
		}
	}
	c.masks[at] = mask
	if s.eobRun > 0 {
		s.eobRun--
		return s.correct(coef, others, slot)
	}
	return nil
}

// afterZeros returns the place of a zero coefficient, given its place when only zero coefficients are counted.
func afterZeros(others uint64, place uint) uint {
	for at := place; ; {
		next := place + uint(bits.OnesCount64(others&(2<<at-1)))
		if next == at {
			return at
		}
		at = next
	}
}

// correct reads a bit for each coefficient in the mask and moves the coefficient away from zero if the bit is set.
func (s *scan) correct(coef []int16, mask uint64, slot *slots) error {
	if mask == 0 {
		return nil
	}
	r := &s.bits
	acc, n := r.acc, r.n
	delta, overflow := int16(1)<<s.low, int16(0)
	for ; mask != 0; mask &= mask - 1 {
		if n < 1 {
			acc, n = r.refill(acc, n)
		}
		move := int16(int64(acc) >> 63) // all ones or zero
		acc <<= 1
		n--
		i := int(slot.at[bits.TrailingZeros64(mask)&63])
		if i >= len(coef) {
			continue
		}
		v := coef[i]
		sign := v >> 15
		coef[i] = v + (delta^sign-sign)&move
		overflow |= v ^ coef[i]
	}
	r.acc, r.n = acc, n
	if overflow < 0 { // a sign changed
		return unsupported("coefficient exceeds 16 bits")
	}
	return nil
}
