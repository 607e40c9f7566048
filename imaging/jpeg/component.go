package jpeg

import "image"

// component is one colour plane during decoding.
type component struct {
	frameComponent
	expandH, expandV int // repetitions of a sample in the plane; 0 if the plane has the component's own size
	across, down     int // size in blocks, padded to whole units
	right, below     int // size in blocks in a scan of this component alone, which omits blocks outside the picture

	plane  []byte // of the whole picture, or of a band
	band   []byte // the part of plane being decoded
	stride int

	seen bool // a scan has it

	// In a progressive file, the coefficients of the band decoded so far.
	kept  int      // coefficients kept per block
	coef  []int16  // by block and slot
	masks []uint64 // by block: a bit for each non-zero AC coefficient, by zigzag index
}

// ratio returns the subsampling of the chroma planes. It returns false if image.YCbCr doesn't have such a ratio; then
// samples are repeated to make the planes 4:4:4, as in image/jpeg.
func (f *frame) ratio() (image.YCbCrSubsampleRatio, bool) {
	if f.n != 3 {
		return image.YCbCrSubsampleRatio444, true
	}
	y, cb, cr := f.comp[0], f.comp[1], f.comp[2]
	if cb.h != cr.h || cb.v != cr.v || y.h != f.maxH || y.v != f.maxV {
		return image.YCbCrSubsampleRatio444, false
	}
	switch image.Pt(f.maxH/cb.h, f.maxV/cb.v) {
	case image.Pt(1, 1):
		return image.YCbCrSubsampleRatio444, true
	case image.Pt(1, 2):
		return image.YCbCrSubsampleRatio440, true
	case image.Pt(2, 1):
		return image.YCbCrSubsampleRatio422, true
	case image.Pt(2, 2):
		return image.YCbCrSubsampleRatio420, true
	case image.Pt(4, 1):
		return image.YCbCrSubsampleRatio411, true
	case image.Pt(4, 2):
		return image.YCbCrSubsampleRatio410, true
	}
	return image.YCbCrSubsampleRatio444, false
}

// planeSize returns the size in samples of the plane of component i at a scale.
func (f *frame) planeSize(i, scale int) (w, h int) {
	c := f.comp[i]
	if _, ok := f.ratio(); !ok {
		c.h, c.v = f.maxH, f.maxV
	}
	x, y := f.units()
	return x * c.h * 8 / scale, y * c.v * 8 / scale
}

// planeBytes returns the size of all planes at a scale.
func planeBytes(f *frame, scale int) int64 {
	total := int64(0)
	for i := range f.n {
		w, h := f.planeSize(i, scale)
		total += int64(w) * int64(h)
	}
	return total
}

// layout sets the sizes of the components.
func (d *decoder) layout() {
	f := &d.frame
	for i := range f.n {
		c := &d.comp[i]
		c.frameComponent = f.comp[i]
		c.across, c.down = f.blocks(i)
		c.right, c.below = min(c.across, (f.width+7)/8), min(c.down, (f.height+7)/8)
		if _, ok := f.ratio(); !ok {
			c.expandH, c.expandV = f.maxH/c.h, f.maxV/c.v
		}
	}
}
