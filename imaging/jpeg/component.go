package jpeg

import "image"

// component is one colour plane while it is decoded.
type component struct {
	frameComponent
	expandH, expandV int // how often a sample is repeated in the plane; 0 where the plane has the component's own size
	across, down     int // blocks, padded to whole units
	right, below     int // blocks that hold part of the picture, as far as a scan of this component alone has them

	plane  []byte // of the whole picture, or of a band
	band   []byte // the part of it that is being decoded
	stride int

	seen bool // in a scan

	// Of a progressive file: what the scans have brought of the band so far.
	kept  int      // coefficients kept of a block
	coef  []int16  // kept a block, by slot
	masks []uint64 // a bit for each AC coefficient that is not zero, by zigzag index
}

// ratio is how the chroma planes relate to the luma plane. False means that image.YCbCr can't say it: then, as in
// image/jpeg, samples are repeated until the planes are 4:4:4.
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

// planeSize is the size in samples of the plane of component i at a scale.
func (f *frame) planeSize(i, scale int) (w, h int) {
	c := f.comp[i]
	if _, ok := f.ratio(); !ok {
		c.h, c.v = f.maxH, f.maxV
	}
	x, y := f.units()
	return x * c.h * 8 / scale, y * c.v * 8 / scale
}

func planeBytes(f *frame, scale int) int64 {
	total := int64(0)
	for i := range f.n {
		w, h := f.planeSize(i, scale)
		total += int64(w) * int64(h)
	}
	return total
}

// layout computes the sizes of the components.
func (d *Decoder) layout() {
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
