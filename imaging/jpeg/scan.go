package jpeg

import "unsafe"

// scanComponent is a component as one scan codes it.
type scanComponent struct {
	*component
	dc, ac *huffman
	quant  [64]int32 // of a sequential scan
	pred   int32     // DC of the block before (T.81 F.1.1.5.1)
}

// scan is one scan: its header (T.81 B.2.3), the tables in force at its place, and how far it has come.
type scan struct {
	comps      [maxComponents]scanComponent
	n          int
	start, end int    // band of coefficients, by zigzag index
	band       uint64 // as a mask
	high, low  uint   // successive approximation
	interval   int    // between restarts, as the file gives it
	blocks     int    // visited in a row of units

	bits           bitReader
	eobRun         int  // blocks that an end-of-band code still covers (T.81 G.1.2.2)
	want           byte // next restart marker
	untilRestart   int  // units or blocks; counts down
	restartEvery   int  // 0: never
	unitsRemaining int
	counting       counting // of a component alone
	coded          int      // blocks, while that is undecided
}

// scanBytes is the memory of a scan.
const scanBytes = int(unsafe.Sizeof(scan{}))

// begin sets the scan to its first row.
func (s *scan) begin(f *frame) {
	across, down := f.units()
	if s.n > 1 {
		for i := range s.n {
			s.blocks += across * s.comps[i].h * s.comps[i].v
		}
		s.restartEvery, s.unitsRemaining = s.interval, across*down
	} else {
		c := &s.comps[0]
		unit := c.h * c.v
		s.blocks = across * unit
		s.restartEvery, s.unitsRemaining = s.interval*unit, c.across*c.down
		if unit > 1 && s.interval > 0 {
			s.counting = undecided
		}
	}
	s.untilRestart = s.restartEvery
}

func (d *Decoder) scanHeader(s *scan, p []byte) error {
	f := &d.frame
	if f.n == 0 {
		return FormatError("missing SOF marker")
	}
	if len(p) < 6 || len(p) > 4+2*f.n || len(p) != 4+2*int(p[0]) {
		return FormatError("SOS has wrong length")
	}
	s.n = int(p[0])
	total := 0
	for i := range s.n {
		c, err := d.scanComponent(s, i, p[1+2*i], p[2+2*i])
		if err != nil {
			return err
		}
		total += f.comp[c].h * f.comp[c].v
	}
	if f.n > 1 && total > 10 {
		return FormatError("total sampling factors too large")
	}
	if f.progressive {
		return s.progression(p[1+2*s.n:])
	}
	return nil
}

func (d *Decoder) scanComponent(s *scan, i int, id, tables uint8) (int, error) {
	at := -1
	for j, c := range d.frame.comp[:d.frame.n] {
		if c.id == id {
			at = j
		}
	}
	if at < 0 {
		return 0, FormatError("unknown component selector")
	}
	c := &d.comp[at]
	for _, other := range s.comps[:i] {
		if other.component == c {
			return 0, FormatError("repeated component selector")
		}
	}
	dc, ac := tables>>4, tables&15
	if dc > 3 || ac > 3 || d.frame.baseline && (dc > 1 || ac > 1) {
		return 0, FormatError("bad Huffman table selector")
	}
	s.comps[i] = scanComponent{component: c, dc: d.huff[0][dc], ac: d.huff[1][ac]}
	return at, nil
}

// progression reads what a progressive scan is to bring (T.81 G.1.1.1).
func (s *scan) progression(p []byte) error {
	s.start, s.end, s.high, s.low = int(p[0]), int(p[1]), uint(p[2]>>4), uint(p[2]&15)
	s.band = 1<<(s.end&63)<<1 - 1<<(s.start&63)
	switch {
	case s.start == 0 && s.end != 0, s.start > s.end, s.end > 63:
		return FormatError("bad spectral selection bounds")
	case s.start != 0 && s.n != 1:
		return FormatError("progressive AC coefficients for more than one component")
	case s.high != 0 && s.high != s.low+1:
		return FormatError("bad successive approximation values")
	}
	return nil
}
