package jpeg

// interleaved walks the units of a scan of several components (T.81 A.2.3).
func (d *Decoder) interleaved(s *scan) error {
	across, down := d.frame.units()
	s.restartEvery, s.untilRestart, s.unitsRemaining = d.ri, d.ri, across*down
	unit := 0
	for i := range s.n {
		unit += s.comps[i].h * s.comps[i].v
	}
	for my := range down {
		for mx := range across {
			for i := range s.n {
				c := &s.comps[i]
				for j := range c.h * c.v {
					if err := d.visit(s, c, c.h*mx+j%c.h, c.v*my+j/c.h); err != nil {
						return err
					}
				}
			}
			if err := d.unitDone(s); err != nil {
				return err
			}
		}
		if err := d.visited(across * unit); err != nil {
			return err
		}
		if d.bits.overrun() {
			return errData
		}
	}
	return nil
}

// alone walks the blocks of a scan of one component (T.81 A.2.2), of which those beyond the picture are not
// coded. Where the component has several blocks a unit and there is a restart interval, the standard counts
// blocks and image/jpeg counts units' worth of them, coded or not: the first marker found at its place decides.
func (d *Decoder) alone(s *scan) error {
	c := &s.comps[0]
	unit := c.h * c.v
	blocks := unit > 1 && d.ri > 0 // not decided yet
	s.restartEvery, s.unitsRemaining = d.ri*unit, c.across*c.down
	s.untilRestart = s.restartEvery
	coded := 0
	for by := range c.down {
		for bx := 0; bx < c.across; bx++ {
			if inside := bx < c.right && by < c.below; inside {
				if n := d.skippable(s, c, bx); n > 0 {
					bx += n - 1
					continue
				}
				if err := d.visit(s, c, bx, by); err != nil {
					return err
				}
				if coded++; blocks && coded == d.ri {
					blocks = false
					if d.eobRun == 0 && d.bits.atMarker(s.want) {
						return d.blockwise(s, bx, by)
					}
				}
			} else if d.ri == 0 {
				break
			}
			if err := d.unitDone(s); err != nil {
				return err
			}
		}
		if err := d.visited(c.across); err != nil {
			return err
		}
		if d.bits.overrun() {
			return errData
		}
	}
	return nil
}

// blockwise goes on with a scan of one component after its first d.ri blocks, of which the last was at bx, by:
// the restart interval counts blocks.
func (d *Decoder) blockwise(s *scan, bx, by int) error {
	c := &s.comps[0]
	s.restartEvery, s.untilRestart = d.ri, 1
	s.unitsRemaining = c.right*(c.below-by) - bx
	if err := d.unitDone(s); err != nil {
		return err
	}
	for bx++; by < c.below; by, bx = by+1, 0 {
		for ; bx < c.right; bx++ {
			if err := d.visit(s, c, bx, by); err != nil {
				return err
			}
			if err := d.unitDone(s); err != nil {
				return err
			}
		}
		if err := d.visited(c.right); err != nil {
			return err
		}
		if d.bits.overrun() {
			return errData
		}
	}
	return nil
}

// unitDone takes the restart marker that is due after a unit, if any (T.81 F.2.1.3.1).
func (d *Decoder) unitDone(s *scan) error {
	s.unitsRemaining--
	if s.restartEvery == 0 {
		return nil
	}
	if s.untilRestart--; s.untilRestart > 0 || s.unitsRemaining == 0 {
		return nil
	}
	if d.bits.overrun() {
		return errData
	}
	if err := d.bits.restart(s.want); err != nil {
		return err
	}
	s.untilRestart = s.restartEvery
	s.want = rst0 | (s.want+1)&7
	for i := range s.n {
		s.comps[i].pred = 0
	}
	d.eobRun = 0
	return nil
}

// skippable is how many blocks from bx on, in its row, the end-of-band run leaves untouched.
func (d *Decoder) skippable(s *scan, c *scanComponent, bx int) int {
	if !d.frame.progressive || s.start == 0 || s.high != 0 || d.ri > 0 {
		return 0
	}
	n := min(d.eobRun, c.right-bx)
	d.eobRun -= n
	return n
}

// visit decodes one block of the scan.
func (d *Decoder) visit(s *scan, c *scanComponent, bx, by int) error {
	if !d.frame.progressive {
		return d.sequential(c, bx, by)
	}
	at := by*c.across + bx
	switch {
	case s.start == 0 && s.high == 0:
		return d.dcFirst(c, at, s.low)
	case s.start == 0:
		return d.dcRefine(c, at, s.low)
	case s.high == 0:
		return d.acFirst(s, c, at)
	}
	return d.acRefine(s, c, at)
}
