package process

import (
	"image"
	"image/color"

	"vitrine/imaging/process/colour"
	"vitrine/imaging/resize"
)

// raster reads a decoded picture row by row as 8-bit premultiplied RGBA, without a second
// copy of a large picture. opaque holds for the rows that have been read.
type raster struct {
	width, height int
	opaque        bool
	deep          *colour.DeepTables // for 16-bit samples; nil treats them as sRGB
	row           func(y int, buf []byte) []byte
}

// newRaster returns the raster of img on a canvas of width x height. The canvas is
// transparent where img does not cover it.
func newRaster(img image.Image, width, height int, deep *colour.DeepTables) *raster {
	r := &raster{width: width, height: height, opaque: true, deep: deep}
	read := r.reader(img)
	frame := img.Bounds()
	if frame == image.Rect(0, 0, width, height) {
		r.row = read
		return r
	}
	r.opaque = false
	r.row = func(y int, buf []byte) []byte {
		clear(buf)
		if y >= frame.Min.Y && y < frame.Max.Y {
			part := buf[4*frame.Min.X : 4*frame.Max.X]
			copy(part, read(y-frame.Min.Y, part))
		}
		return buf
	}
	return r
}

func (r *raster) source() resize.Source {
	return resize.Source{Width: r.width, Height: r.height, Channels: 4, Row: r.row}
}

// reader returns the function that converts a row of img, counted from its top.
func (r *raster) reader(img image.Image) func(y int, buf []byte) []byte {
	n := 4 * img.Bounds().Dx()
	switch m := img.(type) {
	case *image.RGBA: // the decoders use it for opaque pictures only
		return func(y int, _ []byte) []byte { return m.Pix[y*m.Stride : y*m.Stride+n] }
	case *image.NRGBA:
		return func(y int, buf []byte) []byte {
			return r.premultiply(buf, m.Pix[y*m.Stride:y*m.Stride+n])
		}
	case *image.RGBA64:
		return func(y int, buf []byte) []byte { return r.narrow(buf, m.Pix[y*m.Stride:y*m.Stride+2*n]) }
	case *image.NRGBA64:
		return func(y int, buf []byte) []byte {
			return r.premultiply(buf, r.narrow(buf, m.Pix[y*m.Stride:y*m.Stride+2*n]))
		}
	case *image.CMYK:
		return func(y int, buf []byte) []byte { return fromCMYK(buf, m.Pix[y*m.Stride:y*m.Stride+n]) }
	case *image.Paletted:
		return r.paletted(m)
	case *image.YCbCr:
		return func(y int, buf []byte) []byte { return fromYCbCr(buf, m, y) }
	case *image.NYCbCrA:
		return func(y int, buf []byte) []byte { return r.fromNYCbCrA(buf, m, y) }
	}
	return func(y int, buf []byte) []byte { return r.generic(buf, img, y) }
}

// premultiply multiplies the colours by alpha and records transparency in r.opaque. src
// may be dst.
func (r *raster) premultiply(dst, src []byte) []byte {
	for i := 0; i+4 <= len(src); i += 4 {
		s, d := (*[4]byte)(src[i:]), (*[4]byte)(dst[i:])
		a := s[3]
		if a == 255 {
			*d = *s
			continue
		}
		r.opaque = false
		d[0], d[1], d[2], d[3] = colour.MulDiv255(s[0], a), colour.MulDiv255(s[1], a), colour.MulDiv255(s[2], a), a
	}
	return dst
}

// narrow maps 16-bit RGBA samples to 8 bits.
func (r *raster) narrow(dst, src []byte) []byte {
	if r.deep != nil {
		return r.deep.NarrowRGBA(dst, src)
	}
	return colour.Narrow(dst, src)
}

// fromCMYK converts inks to RGB as if they were ideal, because without a colour profile
// nothing is known about them.
func fromCMYK(dst, src []byte) []byte {
	for i := 0; i+4 <= len(src); i += 4 {
		s, d := (*[4]byte)(src[i:]), (*[4]byte)(dst[i:])
		light := 255 - s[3]
		d[0], d[1], d[2] = colour.MulDiv255(255-s[0], light), colour.MulDiv255(255-s[1], light), colour.MulDiv255(255-s[2], light)
		d[3] = 255
	}
	return dst
}

// paletted returns the function that converts a row of a picture with a palette.
func (r *raster) paletted(m *image.Paletted) func(y int, buf []byte) []byte {
	var table [256][4]byte // an index outside the palette is transparent
	var clearAt [256]bool
	for i := range table {
		clearAt[i] = true
		if i < len(m.Palette) {
			c := color.RGBAModel.Convert(m.Palette[i]).(color.RGBA)
			table[i] = [4]byte{c.R, c.G, c.B, c.A}
			clearAt[i] = c.A != 255
		}
	}
	width := m.Rect.Dx()
	return func(y int, buf []byte) []byte {
		transparent := false
		for x, index := range m.Pix[y*m.Stride : y*m.Stride+width] {
			*(*[4]byte)(buf[4*x:]) = table[index]
			transparent = transparent || clearAt[index]
		}
		if transparent {
			r.opaque = false
		}
		return buf
	}
}

// fromYCbCr converts a row of a lossy WebP, whose luma and chroma have the limited range:
// see [toFullRange].
func fromYCbCr(buf []byte, m *image.YCbCr, y int) []byte {
	y += m.Rect.Min.Y
	for x := range m.Rect.Dx() {
		yi, ci := m.YOffset(x+m.Rect.Min.X, y), m.COffset(x+m.Rect.Min.X, y)
		d := (*[4]byte)(buf[4*x:])
		d[0], d[1], d[2] = color.YCbCrToRGB(fullLuma[m.Y[yi]], fullChroma[m.Cb[ci]], fullChroma[m.Cr[ci]])
		d[3] = 255
	}
	return buf
}

// fromNYCbCrA converts a row of a lossy WebP with transparency.
func (r *raster) fromNYCbCrA(buf []byte, m *image.NYCbCrA, y int) []byte {
	fromYCbCr(buf, &m.YCbCr, y)
	alpha := m.A[y*m.AStride:]
	for x := range m.Rect.Dx() {
		buf[4*x+3] = alpha[x]
	}
	return r.premultiply(buf, buf)
}

// generic converts a row of any other type. The decoders return none today.
func (r *raster) generic(buf []byte, img image.Image, y int) []byte {
	b := img.Bounds()
	for x := range b.Dx() {
		c := color.RGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.RGBA)
		*(*[4]byte)(buf[4*x:]) = [4]byte{c.R, c.G, c.B, c.A}
		if c.A != 255 {
			r.opaque = false
		}
	}
	return buf
}
