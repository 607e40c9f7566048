package jpeg

import "vitrine/imaging/jpeg/dct"

// emit writes the samples of d.block to block bx in row y of the component's band.
func (d *decoder) emit(c *component, bx, y int, mask uint64) {
	side := 8 / d.opt.Scale
	if c.expandH == 0 {
		d.transform(mask, c.band[side*(y*c.stride+bx):], c.stride)
		return
	}
	var samples [64]byte
	d.transform(mask, samples[:], 8)
	dst := c.band[side*(y*c.expandV*c.stride+bx*c.expandH):]
	for i := range side * c.expandV {
		for j := range side * c.expandH {
			dst[i*c.stride+j] = samples[8*(i/c.expandV)+j/c.expandH]
		}
	}
}

// transform applies the inverse DCT for the decoder's scale. It clears the AC coefficients, except at scale 8, where they
// are never read.
func (d *decoder) transform(mask uint64, dst []byte, stride int) {
	switch d.opt.Scale {
	case 1:
		dct.Inverse(&d.block, mask, dst, stride)
	case 2:
		dct.Inverse4(&d.block, mask, dst, stride)
	case 4:
		dct.Inverse2(&d.block, mask, dst, stride)
	default:
		dct.Inverse1(&d.block, dst)
	}
}
