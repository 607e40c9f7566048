package jpeg

// maxComponents is the largest number of components in a file, for CMYK and YCCK.
const maxComponents = 4

// frameComponent is a component as specified in the frame header (T.81 B.2.2).
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

// parseFrame parses a SOF0, SOF1 or SOF2 segment.
func parseFrame(marker byte, p []byte) (frame, error) {
	f := frame{baseline: marker == sof0, progressive: marker == sof2}
	switch len(p) {
	case 6 + 3*1, 6 + 3*3, 6 + 3*4:
		f.n = (len(p) - 6) / 3
	default:
		return f, unsupported("number of components is not 1, 3 or 4")
	}
	switch {
	case p[0] != 8:
		return f, unsupported("sample precision is not 8 bits")
	case int(p[5]) != f.n:
		return f, formatError("SOF has wrong length")
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

// component parses component i.
func (f *frame) component(i int, p []byte) error {
	c := frameComponent{id: p[0], h: int(p[1] >> 4), v: int(p[1] & 15), tq: p[2]}
	for _, other := range f.comp[:i] {
		if other.id == c.id {
			return formatError("two components have the same identifier")
		}
	}
	if c.tq > 3 {
		return formatError("quantisation table number above 3")
	}
	// A factor of 3 is valid but not used in practice; image/jpeg rejects it too.
	if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.h == 3 || c.v == 3 {
		return unsupported("sampling factors")
	}
	if f.n == 1 {
		// A single component is never interleaved, so its unit is one block whatever its factors (A.2.2).
		c.h, c.v = 1, 1
	}
	f.maxH, f.maxV = max(f.maxH, c.h), max(f.maxV, c.v)
	f.comp[i] = c
	return nil
}

// rgb reports whether the three components are RGB instead of YCbCr, by the rules of libjpeg and image/jpeg.
func (f *frame) rgb(jfif bool, adobe int) bool {
	c := &f.comp
	return f.n == 3 && !jfif && (adobe == 0 || c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B')
}

// units returns the size of the picture in interleaved units (MCU).
func (f *frame) units() (x, y int) {
	return (f.width + 8*f.maxH - 1) / (8 * f.maxH), (f.height + 8*f.maxV - 1) / (8 * f.maxV)
}

// blocks returns the size of component i in blocks, padded to whole units.
func (f *frame) blocks(i int) (x, y int) {
	x, y = f.units()
	return x * f.comp[i].h, y * f.comp[i].v
}
