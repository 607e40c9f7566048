package jpeg

import "image"

// component is one colour plane while it is decoded.
type component struct {
	frameComponent
	expandH, expandV int // how often a sample is repeated in the plane; 0 where the plane has the component's own size
	across, down     int // blocks, padded to whole units
	right, below     int // blocks that hold part of the picture, as far as a scan of this component alone has them

	plane  []byte
	stride int

	// Of a progressive file: what the scans have brought so far.
	seen  bool
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

// coefficientBytes is what a progressive file needs beside its planes.
func coefficientBytes(f *frame, scale int) int64 {
	if !f.progressive {
		return 0
	}
	total := int64(0)
	for i := range f.n {
		x, y := f.blocks(i)
		total += int64(x) * int64(y) * int64(2*slotsAt(scale).kept+8)
	}
	return total
}

// allocate makes the picture and, for a progressive file, the place for its coefficients.
func (d *Decoder) allocate() {
	f, scale := &d.frame, d.opt.Scale
	buf := d.opt.Buf
	if size := planeBytes(f, scale); int64(cap(buf)) < size {
		buf = make([]byte, size)
	} else {
		buf = buf[:size]
		clear(buf)
	}
	blocks := 0
	for i := range f.n {
		c := &d.comp[i]
		c.frameComponent = f.comp[i]
		c.across, c.down = f.blocks(i)
		c.right, c.below = min(c.across, (f.width+7)/8), min(c.down, (f.height+7)/8)
		blocks += c.across * c.down
		if _, ok := f.ratio(); !ok {
			c.expandH, c.expandV = f.maxH/c.h, f.maxV/c.v
		}
		w, h := f.planeSize(i, scale)
		c.plane, c.stride = buf[:w*h:w*h], w
		buf = buf[w*h:]
	}
	d.limit = int64(d.opt.MaxPasses) * int64(blocks)
	d.picture = d.view()
	if f.progressive {
		d.allocateCoefficients(blocks)
	}
}

// view is the planes as a picture of the right size.
func (d *Decoder) view() image.Image {
	f, s, c := &d.frame, d.opt.Scale, &d.comp
	bounds := image.Rect(0, 0, (f.width+s-1)/s, (f.height+s-1)/s)
	if f.n == 1 {
		return &image.Gray{Pix: c[0].plane, Stride: c[0].stride, Rect: bounds}
	}
	ratio, _ := f.ratio()
	return &image.YCbCr{
		Y: c[0].plane, Cb: c[1].plane, Cr: c[2].plane,
		YStride: c[0].stride, CStride: c[1].stride,
		SubsampleRatio: ratio, Rect: bounds,
	}
}

func (d *Decoder) allocateCoefficients(blocks int) {
	kept := d.slot.kept
	if cap(d.memory) < kept*blocks {
		d.memory = make([]int16, kept*blocks)
	} else {
		clear(d.memory[:kept*blocks])
	}
	if cap(d.masks) < blocks {
		d.masks = make([]uint64, blocks)
	} else {
		clear(d.masks[:blocks])
	}
	coef, masks := d.memory[:kept*blocks], d.masks[:blocks]
	for i := range d.frame.n {
		c := &d.comp[i]
		n := c.across * c.down
		c.kept = kept
		c.coef, coef = coef[:n*kept], coef[n*kept:]
		c.masks, masks = masks[:n], masks[n:]
	}
}
