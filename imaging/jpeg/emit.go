package jpeg

// emit puts the samples of d.block at block bx, by of a component's plane.
func (d *Decoder) emit(c *component, bx, by int, mask uint64) {
	side := 8 / d.opt.Scale
	if c.expandH == 0 {
		d.transform(mask, c.plane[side*(by*c.stride+bx):], c.stride)
		return
	}
	var samples [64]byte
	d.transform(mask, samples[:], 8)
	dst := c.plane[side*(by*c.expandV*c.stride+bx*c.expandH):]
	for y := range side * c.expandV {
		for x := range side * c.expandH {
			dst[y*c.stride+x] = samples[8*(y/c.expandV)+x/c.expandH]
		}
	}
}

// transform is the inverse DCT of the decoder's scale. It clears the AC coefficients, but at scale 8, where
// nothing reads them.
func (d *Decoder) transform(mask uint64, dst []byte, stride int) {
	switch d.opt.Scale {
	case 1:
		idct(&d.block, mask, dst, stride)
	case 2:
		idct4(&d.block, mask, dst, stride)
	case 4:
		idct2(&d.block, mask, dst, stride)
	default:
		dst[0] = rounded(d.block[0], 3)
	}
}
