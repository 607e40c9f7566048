package jpeg

// scanComponent is a component as one scan codes it.
type scanComponent struct {
	*component
	dc, ac *huffman
	pred   int32 // DC of the block before (T.81 F.1.1.5.1)
}

// scan is one scan: its header (T.81 B.2.3) and how far it has come.
type scan struct {
	comps          [maxComponents]scanComponent
	n              int
	start, end     int    // band of coefficients, by zigzag index
	band           uint64 // as a mask
	high, low      uint   // successive approximation
	want           byte   // next restart marker
	untilRestart   int    // units or blocks; counts down
	restartEvery   int    // 0: never
	unitsRemaining int
}

// scan decodes the scan that the segment begins and returns where the markers go on.
func (d *Decoder) scan(seg segment) (int, error) {
	s, err := d.scanHeader(seg.body)
	if err != nil {
		return 0, err
	}
	if d.picture == nil {
		if d.frame.rgb(d.jfif, d.adobe) {
			return 0, unsupported("RGB")
		}
		d.allocate()
	}
	if err := d.visited(1); err != nil {
		return 0, err
	}
	d.bits.start(seg.at + len(seg.body))
	for i := range s.n {
		s.comps[i].seen = true
	}
	switch {
	case d.frame.progressive && d.opt.Scale == 8 && s.start > 0:
		return d.bits.finish(), nil // of no use for one sample a block
	case s.low > 13:
		return 0, unsupported("approximation beyond 13 bits")
	}
	for i := range s.n {
		c := &s.comps[i]
		if err := c.dc.compile(); err != nil {
			return 0, err
		}
		if err := c.ac.compile(); err != nil {
			return 0, err
		}
	}
	if s.n == 1 {
		err = d.alone(&s)
	} else {
		err = d.interleaved(&s)
	}
	if err != nil {
		return 0, err
	}
	return d.bits.finish(), nil
}

func (d *Decoder) scanHeader(p []byte) (scan, error) {
	f := &d.frame
	s := scan{end: 63, want: rst0}
	if f.n == 0 {
		return s, FormatError("missing SOF marker")
	}
	if len(p) < 6 || len(p) > 4+2*f.n || len(p) != 4+2*int(p[0]) {
		return s, FormatError("SOS has wrong length")
	}
	s.n = int(p[0])
	total := 0
	for i := range s.n {
		c, err := d.scanComponent(&s, i, p[1+2*i], p[2+2*i])
		if err != nil {
			return s, err
		}
		total += f.comp[c].h * f.comp[c].v
	}
	if f.n > 1 && total > 10 {
		return s, FormatError("total sampling factors too large")
	}
	if f.progressive {
		return s, s.progression(p[1+2*s.n:])
	}
	return s, nil
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
	s.comps[i] = scanComponent{component: c, dc: &d.huff[0][dc], ac: &d.huff[1][ac]}
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
