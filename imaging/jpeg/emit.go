package jpeg

import "vitrine/imaging/jpeg/dct"

// emit puts the samples of d.block at block bx of row y of a component's band.
func (d *Decoder) emit(c *component, bx, y int, mask uint64) {
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

// transform is the inverse DCT of the decoder's scale. It clears the AC coefficients, but at scale 8, where
// nothing reads them.
func (d *Decoder) transform(mask uint64, dst []byte, stride int) {
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
