package jpeg

import "image"

// A band is a row of units. All scans of the file advance together, band by band, each in its own part of the source, so
// only one band of coefficients and samples is in memory.

// bands returns the number of bands.
func (f *frame) bands() int {
	_, down := f.units()
	return down
}

// bandBlocks returns the number of blocks of a band.
func (f *frame) bandBlocks() int {
	across, _ := f.units()
	total := 0
	for _, c := range f.comp[:f.n] {
		total += across * c.h * c.v
	}
	return total
}

// bandBytes returns the size of a band's samples at a scale.
func bandBytes(f *frame, scale int) int64 { return planeBytes(f, scale) / int64(max(f.bands(), 1)) }

// coefficientBytes returns the size of a band's coefficients and masks, which only a progressive file needs.
func coefficientBytes(f *frame, scale int) int64 {
	if !f.progressive {
		return 0
	}
	return int64(f.bandBlocks()) * int64(2*slotsAt(scale).kept+8)
}

// allocate assigns each component its part of buf, which holds the planes divided by the given number of parts. For a
// progressive file it also allocates the coefficients of a band.
func (d *decoder) allocate(buf []byte, parts int) {
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
func (d *decoder) bands(take func(image.Image) error) error {
	d.samples = resized(d.samples, int(bandBytes(&d.frame, d.opt.Scale)))
	d.allocate(d.samples, d.frame.bands())
	return d.run(take)
}

// run decodes all bands. If take is nil, they fill the planes of the whole picture.
func (d *decoder) run(take func(image.Image) error) error {
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

// band decodes the band in all scans, in the order of the file. If a scan is damaged, the scans before it continue, because
// the error of the first damaged scan in the file is the one to return.
func (d *decoder) band(my int) error {
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

// ended returns the error of the scans after the last band. In image/jpeg an unfinished end-of-band run continues in the
// next scan. Here the scans advance together, so such a file is unsupported.
func (d *decoder) ended() error {
	for i := range d.scans {
		if d.scans[i].eobRun > 0 && (i < len(d.scans)-1 || d.damage != nil) {
			return unsupported("end-of-band run continues past the end of a scan")
		}
	}
	return d.damage
}

// stopped returns the error of Options.Stop.
func (d *decoder) stopped() error {
	if d.opt.Stop == nil {
		return nil
	}
	return d.opt.Stop()
}

// view returns the rows of the picture from top to bottom, both in rows at full size, as an image of the planes.
func (d *decoder) view(top, bottom int) image.Image {
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
