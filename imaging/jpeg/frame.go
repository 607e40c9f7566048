package jpeg

// maxComponents is the largest number of components that a file of the four colour models has.
const maxComponents = 4

// frameComponent is one component as the frame header (T.81 B.2.2) specifies it.
type frameComponent struct {
	id   uint8
	h, v int   // sampling factors
	tq   uint8 // quantisation table
}

// frame is the frame header.
type frame struct {
	baseline, progressive bool
	width, height         int
	n                     int // components
	comp                  [maxComponents]frameComponent
	maxH, maxV            int
}

// parseFrame reads the frame header of a SOF0, SOF1 or SOF2 segment.
func parseFrame(marker byte, p []byte) (frame, error) {
	f := frame{baseline: marker == sof0, progressive: marker == sof2}
	switch len(p) {
	case 6 + 3*1, 6 + 3*3, 6 + 3*4:
		f.n = (len(p) - 6) / 3
	default:
		return f, unsupported("number of components")
	}
	switch {
	case p[0] != 8:
		return f, unsupported("precision is not 8 bits")
	case int(p[5]) != f.n:
		return f, FormatError("SOF has wrong length")
	}
	f.height, f.width = int(p[1])<<8|int(p[2]), int(p[3])<<8|int(p[4])
	for i := range f.n {
		if err := f.component(i, p[6+3*i:]); err != nil {
			return f, err
		}
	}
	for _, c := range f.comp[:f.n] {
		if f.maxH%c.h != 0 || f.maxV%c.v != 0 {
			return f, unsupported("sampling factors")
		}
	}
	return f, nil
}

func (f *frame) component(i int, p []byte) error {
	c := frameComponent{id: p[0], h: int(p[1] >> 4), v: int(p[1] & 15), tq: p[2]}
	for _, other := range f.comp[:i] {
		if other.id == c.id {
			return FormatError("repeated component identifier")
		}
	}
	if c.tq > 3 {
		return FormatError("bad Tq value")
	}
	// A factor of 3 is valid but unheard of; image/jpeg refuses it too.
	if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.h == 3 || c.v == 3 {
		return unsupported("sampling factors")
	}
	if f.n == 1 {
		// One component is not interleaved, whatever its factors say (A.2.2): its unit is one block.
		c.h, c.v = 1, 1
	}
	f.maxH, f.maxV = max(f.maxH, c.h), max(f.maxV, c.v)
	f.comp[i] = c
	return nil
}

// rgb reports whether the three components are not YCbCr, by what libjpeg and image/jpeg go by.
func (f *frame) rgb(jfif bool, adobe int) bool {
	c := &f.comp
	return f.n == 3 && !jfif && (adobe == 0 || c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B')
}

// units is the size of the picture in interleaved units (MCU).
func (f *frame) units() (x, y int) {
	return (f.width + 8*f.maxH - 1) / (8 * f.maxH), (f.height + 8*f.maxV - 1) / (8 * f.maxV)
}

// blocks is the size of component i in blocks, padded to whole units.
func (f *frame) blocks(i int) (x, y int) {
	x, y = f.units()
	return x * f.comp[i].h, y * f.comp[i].v
}
