package jpeg

// counting is the meaning of restart intervals in a scan of one component with several blocks per unit. The standard counts
// blocks (T.81 A.2.2). image/jpeg counts groups of blocks as large as a unit, coded or not. The position of the first
// marker decides.
type counting uint8

const (
	unitwise  counting = iota // also used if both are the same
	undecided                 // unitwise until a marker is found
	blockwise
)

// row decodes a row of units of the scan.
func (d *decoder) row(s *scan, my int) error {
	if s.n > 1 {
		return d.interleaved(s)
	}
	c := &s.comps[0]
	for y := range c.v {
		var err error
		if s.counting == blockwise {
			err = d.coded(s, 0, y, my*c.v+y)
		} else {
			err = d.alone(s, y, my*c.v+y)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// interleaved decodes a row of units of a scan of several components (T.81 A.2.3).
func (d *decoder) interleaved(s *scan) error {
	across, _ := d.frame.units()
	for mx := range across {
		for i := range s.n {
			c := &s.comps[i]
			for j := range c.h * c.v {
				if err := d.visit(s, c, c.h*mx+j%c.h, j/c.h); err != nil {
					return err
				}
			}
		}
		if err := s.unitDone(); err != nil {
			return err
		}
	}
	return nil
}

// alone decodes a row of blocks of a scan of one component (T.81 A.2.2), which omits blocks outside the picture. The row has
// index y in its band and by in the picture.
func (d *decoder) alone(s *scan, y, by int) error {
	c := &s.comps[0]
	for bx := 0; bx < c.across; bx++ {
		if inside := bx < c.right && by < c.below; inside {
			if n := d.skippable(s, c, bx); n > 0 {
				bx += n - 1
				continue
			}
			if err := d.visit(s, c, bx, y); err != nil {
				return err
			}
			if s.coded++; s.counting == undecided && s.coded == s.interval {
				s.counting = unitwise
				if s.eobRun == 0 && s.bits.atMarker(s.want) {
					s.counting = blockwise
					s.restartEvery, s.untilRestart = s.interval, 1
					s.unitsRemaining = c.right*(c.below-by) - bx
					if err := s.unitDone(); err != nil {
						return err
					}
					return d.coded(s, bx+1, y, by)
				}
			}
		} else if s.interval == 0 {
			break
		}
		if err := s.unitDone(); err != nil {
			return err
		}
	}
	return nil
}

// coded decodes the rest of such a row, from bx on, if restart intervals count coded blocks.
func (d *decoder) coded(s *scan, bx, y, by int) error {
	c := &s.comps[0]
	if by >= c.below {
		return nil
	}
	for ; bx < c.right; bx++ {
		if err := d.visit(s, c, bx, y); err != nil {
			return err
		}
		if err := s.unitDone(); err != nil {
			return err
		}
	}
	return nil
}

// unitDone counts a unit and reads the restart marker if one is due after it (T.81 F.2.1.3.1).
func (s *scan) unitDone() error {
	s.unitsRemaining--
	if s.restartEvery == 0 {
		return nil
	}
	if s.untilRestart--; s.untilRestart > 0 || s.unitsRemaining == 0 {
		return nil
	}
	if s.bits.overrun() {
		return errData
	}
	if err := s.bits.restart(s.want); err != nil {
		return err
	}
	s.untilRestart = s.restartEvery
	s.want = rst0 | (s.want+1)&7
	for i := range s.n {
		s.comps[i].pred = 0
	}
	s.eobRun = 0
	return nil
}

// skippable returns the number of blocks in the row, from bx on, that an end-of-band run leaves unchanged, and
// removes them from the run.
func (d *decoder) skippable(s *scan, c *scanComponent, bx int) int {
	if !d.frame.progressive || s.start == 0 || s.high != 0 || s.interval > 0 {
		return 0
	}
	n := min(s.eobRun, c.right-bx)
	s.eobRun -= n
	return n
}

// visit decodes a block of the scan, in row y of its band.
func (d *decoder) visit(s *scan, c *scanComponent, bx, y int) error {
	if !d.frame.progressive {
		return d.sequential(s, c, bx, y)
	}
	at := y*c.across + bx
	switch {
	case s.start == 0 && s.high == 0:
		return s.dcFirst(c, at)
	case s.start == 0:
		s.dcRefine(c, at)
		return nil
	case s.high == 0:
		return s.acFirst(c, at, d.slot)
	}
	return s.acRefine(c, at, d.slot)
}
