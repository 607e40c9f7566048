package jpeg

import "image"

// A band is a row of units. All scans of the file go forward band by band, each in its own part of the source, so that
// no more than a band of coefficients, and of samples, has to be kept.

// bands is how many there are.
func (f *frame) bands() int {
	_, down := f.units()
	return down
}

// bandBlocks is how many blocks a band has.
func (f *frame) bandBlocks() int {
	across, _ := f.units()
	total := 0
	for _, c := range f.comp[:f.n] {
		total += across * c.h * c.v
	}
	return total
}

// bandBytes is the size of a band's samples at a scale.
func bandBytes(f *frame, scale int) int64 { return planeBytes(f, scale) / int64(max(f.bands(), 1)) }

// coefficientBytes is what a progressive file needs beside.
func coefficientBytes(f *frame, scale int) int64 {
	if !f.progressive {
		return 0
	}
	return int64(f.bandBlocks()) * int64(2*slotsAt(scale).kept+8)
}

// allocate assigns the components their parts of buf, which has room for so many equal parts of their planes, and, for
// a progressive file, the place for their coefficients.
func (d *Decoder) allocate(buf []byte, parts int) {
	f, scale := &d.frame, d.opt.Scale
	if f.progressive {
		d.memory = resized(d.memory, d.slot.kept*f.bandBlocks())
		d.masks = resized(d.masks, f.bandBlocks())
	}
	coef, masks := d.memory, d.masks
	for i := range f.n {
		c := &d.comp[i]
		w, h := f.planeSize(i, scale)
		size := w * h / parts
		c.plane, c.stride = buf[:size:size], w
		buf = buf[size:]
		if f.progressive {
			n := c.across * c.v
			c.kept = d.slot.kept
			c.coef, coef = coef[:n*c.kept], coef[n*c.kept:]
			c.masks, masks = masks[:n], masks[n:]
		}
	}
}

// bands decodes one band after another into the same memory and passes each to take.
func (d *Decoder) bands(take func(image.Image) error) error {
	d.samples = resized(d.samples, int(bandBytes(&d.frame, d.opt.Scale)))
	d.allocate(d.samples, d.frame.bands())
	return d.run(take)
}

// run decodes all bands: into the whole planes where there is no take.
func (d *Decoder) run(take func(image.Image) error) error {
	f := &d.frame
	if err := d.stopped(); err != nil {
		return err
	}
	for my := range f.bands() {
		for i := range f.n {
			c := &d.comp[i]
			c.band = c.plane
			if take == nil {
				c.band = c.plane[len(c.plane)/f.bands()*my:]
			}
		}
		if err := d.band(my); err != nil {
			return err
		}
		if take == nil || d.damage != nil {
			continue
		}
		rows := 8 * f.maxV
		if err := take(d.view(my*rows, min((my+1)*rows, f.height))); err != nil {
			return err
		}
	}
	return d.ended()
}

// band decodes what the scans hold of a band, in the order of the file. Where one is damaged, those before it go on:
// it depends on how they end, and the error of the first one is the file's.
func (d *Decoder) band(my int) error {
	f := &d.frame
	if f.progressive {
		clear(d.memory)
		clear(d.masks)
	}
	for i := range d.scans {
		s := &d.scans[i]
		if err := d.stopped(); err != nil {
			return err
		}
		err := d.row(s, my)
		if err == nil && s.bits.overrun() {
			err = errData
		}
		if err != nil {
			d.scans, d.damage = d.scans[:i], err
			break
		}
	}
	switch {
	case len(d.scans) == 0 && d.damage != nil:
		return d.damage
	case f.progressive && d.damage == nil:
		d.reconstruct(my)
		return d.stopped()
	}
	return nil
}

// ended returns the error of the scans as a whole. To image/jpeg an end-of-band run that is not used up goes on in the
// next scan, which here was long under way.
func (d *Decoder) ended() error {
	for i := range d.scans {
		if d.scans[i].eobRun > 0 && (i < len(d.scans)-1 || d.damage != nil) {
			return unsupported("end-of-band run beyond the end of a scan")
		}
	}
	return d.damage
}

func (d *Decoder) stopped() error {
	if d.opt.Stop == nil {
		return nil
	}
	return d.opt.Stop()
}

// view is what the planes hold of the picture: its rows from top to bottom, counted at full scale.
func (d *Decoder) view(top, bottom int) image.Image {
	f, s, c := &d.frame, d.opt.Scale, &d.comp
	bounds := image.Rect(0, top/s, (f.width+s-1)/s, (bottom+s-1)/s)
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
