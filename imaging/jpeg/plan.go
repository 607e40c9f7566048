package jpeg

import (
	"errors"
	"image"
	"slices"
)

// plan reads the segments of the whole file and lists its scans with the tables of each, without decoding them. This allows
// decoding a band in all scans before the next band.
func (d *decoder) plan(src []byte, o Options) error {
	switch o.Scale {
	case 0:
		o.Scale = 1
	case 1, 2, 4, 8:
	default:
		return unsupported("scale is not 1, 2, 4 or 8")
	}
	if o.MaxPasses == 0 {
		o.MaxPasses = defaultMaxPasses
	}
	d.begin(src, o)
	err := d.walk()
	if errors.Is(err, ErrUnsupported) && len(d.scans) > 0 {
		// A scan before the unsupported segment may be damaged; then image/jpeg would reject the file too.
		if err := d.bands(func(image.Image) error { return nil }); err != nil {
			return err
		}
	}
	return err
}

// walk reads the segments up to the end of the image.
func (d *decoder) walk() error {
	s := segments{src: d.src}
	if err := s.begin(); err != nil {
		return err
	}
	for {
		seg, err := s.next()
		if err != nil {
			return err
		}
		switch seg.marker {
		case eoi:
			if d.limit == 0 {
				return formatError("missing SOS marker")
			}
			return d.colourModel()
		case sos:
			planned := d.scans
			if err = d.addScan(seg); err != nil {
				d.scans = planned
			}
		default:
			err = d.table(seg)
		}
		if err != nil {
			return err
		}
	}
}

// colourModel returns an error if the segments read so far mean that the components are RGB.
func (d *decoder) colourModel() error {
	if d.frame.rgb(d.jfif, d.adobe) {
		return unsupported("RGB colours")
	}
	return nil
}

// usualScans is the number of scans in a progressive file written by libjpeg.
const usualScans = 10

// addScan lists the scan that the segment begins, with the tables in force at this position.
func (d *decoder) addScan(seg segment) error {
	if len(d.scans) == 1 {
		d.scans = slices.Grow(d.scans, usualScans)
	}
	d.scans = append(d.scans, scan{end: 63, want: rst0, interval: d.ri})
	s := &d.scans[len(d.scans)-1]
	if err := d.scanHeader(s, seg.body); err != nil {
		return err
	}
	if d.limit == 0 {
		if err := d.colourModel(); err != nil {
			return err
		}
		d.limit = int64(d.opt.MaxPasses) * int64(d.frame.bandBlocks()*d.frame.bands())
	}
	for i := range s.n {
		s.comps[i].seen = true
	}
	if d.frame.progressive && d.opt.Scale == 8 && s.start > 0 { // a scale of 8 needs no AC coefficients
		d.scans = d.scans[:len(d.scans)-1]
		return d.count(1)
	}
	if s.low > 13 {
		return unsupported("successive approximation above 13 bits")
	}
	for i := range s.n {
		if err := d.capture(s, &s.comps[i]); err != nil {
			return err
		}
	}
	s.begin(&d.frame)
	s.bits.src = d.src
	s.bits.start(seg.at + len(seg.body))
	if len(d.scans) > d.opt.MaxPasses*d.frame.n {
		return ErrTooManyPasses
	}
	return d.count(1 + s.blocks*d.frame.bands())
}

// capture compiles the tables with which the scan decodes the component and protects them from later changes.
func (d *decoder) capture(s *scan, c *scanComponent) error {
	if err := c.dc.compile(); err != nil {
		return err
	}
	if err := c.ac.compile(); err != nil {
		return err
	}
	if !d.frame.progressive {
		c.quant = d.quant[c.tq]
	}
	if s.start == 0 && s.high == 0 && c.dc != &noCodes {
		c.dc.captured = true
	}
	if s.end > 0 && c.ac != &noCodes {
		c.ac.captured = true
	}
	return nil
}

// count adds n blocks to the work and returns ErrTooManyPasses above the limit.
func (d *decoder) count(n int) error {
	if d.work += int64(n); d.work > d.limit {
		return ErrTooManyPasses
	}
	return nil
}
