package jpeg

import "unsafe"

// scanComponent is a component with its state in one scan.
type scanComponent struct {
	*component
	dc, ac *huffman
	quant  [64]int32 // of a sequential scan
	pred   int32     // DC of the previous block (T.81 F.1.1.5.1)
}

// scan is one scan: its header (T.81 B.2.3), the tables in force at its position, and its progress.
type scan struct {
	comps      [maxComponents]scanComponent
	n          int
	start, end int    // band of coefficients, by zigzag index
	band       uint64 // the same as a mask
	high, low  uint   // successive approximation
	interval   int    // between restarts, as stored in the file
	blocks     int    // blocks visited per row of units

	bits           bitReader
	eobRun         int  // remaining blocks of an end-of-band run (T.81 G.1.2.2)
	want           byte // next restart marker
	untilRestart   int  // units or blocks until the next restart
	restartEvery   int  // units or blocks; 0 without restarts
	unitsRemaining int
	counting       counting // in a scan of one component
	coded          int      // coded blocks while counting is undecided
}

// scanBytes is the size of a scan.
const scanBytes = int(unsafe.Sizeof(scan{}))

// begin moves the scan to its first row.
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

// scanHeader parses the SOS segment p into s (T.81 B.2.3).
func (d *decoder) scanHeader(s *scan, p []byte) error {
	f := &d.frame
	if f.n == 0 {
		return formatError("missing SOF marker")
	}
	if len(p) < 6 || len(p) > 4+2*f.n || len(p) != 4+2*int(p[0]) {
		return formatError("SOS has wrong length")
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
		return formatError("more than 10 blocks per unit")
	}
	if f.progressive {
		return s.progression(p[1+2*s.n:])
	}
	return nil
}

// scanComponent sets component i of the scan and returns its index in the frame.
func (d *decoder) scanComponent(s *scan, i int, id, tables uint8) (int, error) {
	at := -1
	for j, c := range d.frame.comp[:d.frame.n] {
		if c.id == id {
			at = j
		}
	}
	if at < 0 {
		return 0, formatError("scan selects an unknown component")
	}
	c := &d.comp[at]
	for _, other := range s.comps[:i] {
		if other.component == c {
			return 0, formatError("scan selects a component twice")
		}
	}
	dc, ac := tables>>4, tables&15
	if dc > 3 || ac > 3 || d.frame.baseline && (dc > 1 || ac > 1) {
		return 0, formatError("scan selects an invalid Huffman table number")
	}
	s.comps[i] = scanComponent{component: c, dc: d.huff[0][dc], ac: d.huff[1][ac]}
	return at, nil
}

// progression parses the band and the successive approximation of a progressive scan (T.81 G.1.1.1).
func (s *scan) progression(p []byte) error {
	s.start, s.end, s.high, s.low = int(p[0]), int(p[1]), uint(p[2]>>4), uint(p[2]&15)
	s.band = 1<<(s.end&63)<<1 - 1<<(s.start&63)
	switch {
	case s.start == 0 && s.end != 0, s.start > s.end, s.end > 63:
		return formatError("invalid spectral selection")
	case s.start != 0 && s.n != 1:
		return formatError("scan of AC coefficients has more than one component")
	case s.high != 0 && s.high != s.low+1:
		return formatError("invalid successive approximation")
	}
	return nil
}
