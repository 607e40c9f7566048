package colour

import (
	"image"

	"vitrine/imaging/icc"
	"vitrine/imaging/resize"
)

// Convert converts the colours of a scaled, upright picture to sRGB in place. Converting
// after scaling is cheaper, and the difference is not visible.
func (c *Conversion) Convert(img image.Image) {
	if c.Transform == nil || c.Transform.Space() == icc.CMYK { // scaleInks has converted them
		return
	}
	switch m := img.(type) {
	case *image.Gray:
		c.Transform.Gray(m.Pix)
	case *image.RGBA:
		convertRGBA(m, c.Transform)
	case *image.YCbCr:
		convertPlanar(m, c.Transform)
	}
}

func convertRGBA(m *image.RGBA, t *icc.Transform) {
	w := 4 * m.Rect.Dx()
	straight := make([]byte, w)
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:][:w]
		copy(straight, row)
		opaque := unpremultiply(straight)
		t.RGB(straight)
		if opaque {
			copy(row, straight)
			continue
		}
		for i := 0; i < w; i += 4 {
			s, d := (*[4]byte)(straight[i:]), (*[4]byte)(row[i:])
			d[0], d[1], d[2] = MulDiv255(s[0], s[3]), MulDiv255(s[1], s[3]), MulDiv255(s[2], s[3])
		}
	}
}

// unpremultiply divides the colours by alpha. It reports whether all pixels are opaque.
func unpremultiply(row []byte) (opaque bool) {
	opaque = true
	for i := 0; i < len(row); i += 4 {
		p := (*[4]byte)(row[i:])
		a := uint32(p[3])
		if a == 255 {
			continue
		}
		opaque = false
		if a == 0 {
			continue
		}
		for k := range 3 {
			p[k] = byte(min((uint32(p[k])*255+a/2)/a, 255))
		}
	}
	return opaque
}

// convertPlanar converts two rows at a time, because they share their chroma.
func convertPlanar(m *image.YCbCr, t *icc.Transform) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	rows := make([]byte, 2*4*w)
	for y := 0; y < h; y += 2 {
		n := min(2, h-y)
		cb, cr := m.Cb[y/2*m.CStride:], m.Cr[y/2*m.CStride:]
		for k := range n {
			unpackRow(rows[k*4*w:(k+1)*4*w], m.Y[(y+k)*m.YStride:], cb, cr)
		}
		t.RGB(rows[:n*4*w])
		for k := range n {
			packLuma(m.Y[(y+k)*m.YStride:][:w], rows[k*4*w:])
		}
		packChroma(cb, cr, rows[:n*4*w], w, n)
	}
}

// unpackRow converts a row to RGB with the arithmetic of image/color. Two pixels share a
// chroma sample.
func unpackRow(dst, luma, cb, cr []byte) {
	for x := 0; 4*x < len(dst); x += 2 {
		b, r := int32(cb[x/2])-128, int32(cr[x/2])-128
		red, green, blue := 91881*r, -22554*b-46802*r, 116130*b
		for i := x; i < x+2 && 4*i < len(dst); i++ {
			y := int32(luma[i]) * 0x10101
			p := (*[4]byte)(dst[4*i:])
			p[0], p[1], p[2] = clamp16(y+red), clamp16(y+green), clamp16(y+blue)
		}
	}
}

// clamp16 returns the upper half of a 16.16 fixed-point number as a byte.
func clamp16(v int32) byte { return byte(min(max(v>>16, 0), 255)) }

// packLuma writes the luma of a row of RGB.
func packLuma(luma, row []byte) {
	for x := range luma {
		p := (*[4]byte)(row[4*x:])
		luma[x] = byte((19595*int32(p[0]) + 38470*int32(p[1]) + 7471*int32(p[2]) + 1<<15) >> 16)
	}
}

// packChroma writes one chroma sample for two pixels of each of the n rows.
func packChroma(cb, cr, rows []byte, w, n int) {
	for x := 0; x < w; x += 2 {
		var r, g, b, pixels int32
		for i := x; i < min(x+2, w); i++ {
			for k := range n {
				p := (*[4]byte)(rows[4*(k*w+i):])
				r, g, b, pixels = r+int32(p[0]), g+int32(p[1]), b+int32(p[2]), pixels+1
			}
		}
		middle := pixels * (257 << 15)
		cb[x/2] = byte(min((-11056*r-21712*g+32768*b+middle)/(pixels<<16), 255))
		cr[x/2] = byte(min((32768*r-27440*g-5328*b+middle)/(pixels<<16), 255))
	}
}

// ScaleInks scales each ink by itself and converts the result to sRGB.
func ScaleInks(m *image.CMYK, t *icc.Transform, width, height int) *image.RGBA {
	size := m.Rect.Size()
	var planes [4][]byte
	for ink := range planes {
		planes[ink] = make([]byte, width*height)
		source := resize.Source{Width: size.X, Height: size.Y, Channels: 1, Row: func(y int, buf []byte) []byte {
			row := m.Pix[y*m.Stride:][:4*size.X]
			for x := range buf {
				buf[x] = row[4*x+ink]
			}
			return buf
		}}
		resize.Scale(planes[ink], width, source, resize.Fit(width, size.X), resize.Fit(height, size.Y))
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		var row [4][]byte
		for ink := range row {
			row[ink] = planes[ink][y*width:][:width]
		}
		t.CMYK(out.Pix[y*out.Stride:][:4*width], row)
	}
	return out
}

// DeepTables map 16-bit samples of red, green and blue to 8 bits in a way that keeps the
// detail of dark areas.
type DeepTables [3][1 << 16]byte

// NarrowGray maps a row of gray samples.
func (t *DeepTables) NarrowGray(dst, src []byte) []byte {
	for i := range len(src) / 2 {
		dst[i] = t[0][int(src[2*i])<<8|int(src[2*i+1])]
	}
	return dst
}

// NarrowRGBA maps a row of RGBA samples. Alpha is only rounded. src must not be
// premultiplied unless it is opaque.
func (t *DeepTables) NarrowRGBA(dst, src []byte) []byte {
	for i := 0; i+8 <= len(src); i += 8 {
		s, d := (*[8]byte)(src[i:]), (*[4]byte)(dst[i/2:])
		d[0] = t[0][int(s[0])<<8|int(s[1])]
		d[1] = t[1][int(s[2])<<8|int(s[3])]
		d[2] = t[2][int(s[4])<<8|int(s[5])]
		Narrow(d[3:], s[6:])
	}
	return dst
}
