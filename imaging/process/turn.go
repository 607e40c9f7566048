package process

import "image"

// turn returns the upright copy of a scaled picture that is stored with orientation o. The
// picture has one of the three types that scaleSource returns.
func turn(img image.Image, o orientation) image.Image {
	if o == upright {
		return img
	}
	size := img.Bounds().Size()
	bounds := image.Rectangle{Max: size}
	if o.swapsSides() {
		bounds.Max = image.Pt(size.Y, size.X)
	}
	switch m := img.(type) {
	case *image.YCbCr:
		out := image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420)
		cw, ch := (size.X+1)/2, (size.Y+1)/2
		turnPlane(out.Y, out.YStride, m.Y, m.YStride, size.X, size.Y, 1, o)
		turnPlane(out.Cb, out.CStride, m.Cb, m.CStride, cw, ch, 1, o)
		turnPlane(out.Cr, out.CStride, m.Cr, m.CStride, cw, ch, 1, o)
		return out
	case *image.Gray:
		out := image.NewGray(bounds)
		turnPlane(out.Pix, out.Stride, m.Pix, m.Stride, size.X, size.Y, 1, o)
		return out
	case *image.RGBA:
		out := image.NewRGBA(bounds)
		turnPlane(out.Pix, out.Stride, m.Pix, m.Stride, size.X, size.Y, 4, o)
		return out
	}
	return img
}

// turnPlane copies the w x h pixels of src, of 1 or 4 bytes each, to their upright
// positions in dst.
func turnPlane(dst []byte, dstStride int, src []byte, srcStride, w, h, bytes int, o orientation) {
	for y := range h {
		ty := y
		if o.mirrorsY() {
			ty = h - 1 - y
		}
		at, step := ty*dstStride, bytes
		if o.swapsSides() {
			at, step = ty*bytes, dstStride
		}
		if o.mirrorsX() {
			at, step = at+(w-1)*step, -step
		}
		row := src[y*srcStride:][:w*bytes]
		for x := 0; x < len(row); x += bytes {
			if bytes == 1 {
				dst[at] = row[x]
			} else {
				*(*[4]byte)(dst[at:]) = *(*[4]byte)(row[x:])
			}
			at += step
		}
	}
}
