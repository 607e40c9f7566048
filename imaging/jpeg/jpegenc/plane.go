package jpegenc

import (
	"image"

	"vitrine/imaging/jpeg/dct"
)

// plane holds the samples to encode. Blocks that reach beyond the right or lower edge repeat the last samples.
type plane struct {
	pix           []byte
	stride        int
	width, height int
}

// load copies the 8x8 samples at x, y to b.
func (p *plane) load(b *dct.Block, x, y int) {
	if x+8 <= p.width && y+8 <= p.height {
		for i := range 8 {
			src := (*[8]byte)(p.pix[(y+i)*p.stride+x:])
			dst := (*[8]int32)(b[8*i : 8*i+8])
			for j, v := range src {
				dst[j] = int32(v)
			}
		}
		return
	}
	for i := range 8 {
		row := p.pix[min(y+i, p.height-1)*p.stride:]
		for j := range 8 {
			b[8*i+j] = int32(row[min(x+j, p.width-1)])
		}
	}
}

// newChroma returns the two chroma planes of m at 4:2:0. It uses the planes of m if they are aligned; otherwise each
// sample is the mean of the samples of its four pixels, halves rounded up.
func newChroma(m *image.YCbCr) [2]plane {
	r := m.Rect
	w, h := (r.Dx()+1)/2, (r.Dy()+1)/2
	if m.SubsampleRatio == image.YCbCrSubsampleRatio420 && r.Min.X&1 == 0 && r.Min.Y&1 == 0 {
		at := m.COffset(r.Min.X, r.Min.Y)
		return [2]plane{{m.Cb[at:], m.CStride, w, h}, {m.Cr[at:], m.CStride, w, h}}
	}
	// Samples beyond the edges are repeated before the mean is taken, as image/jpeg does, so the planes are padded to units.
	w, h = (r.Dx()+15)/16*8, (r.Dy()+15)/16*8
	chroma := [2]plane{{make([]byte, w*h), w, w, h}, {make([]byte, w*h), w, w, h}}
	for y := range h {
		y0, y1 := min(r.Min.Y+2*y, r.Max.Y-1), min(r.Min.Y+2*y+1, r.Max.Y-1)
		for x := range w {
			x0, x1 := min(r.Min.X+2*x, r.Max.X-1), min(r.Min.X+2*x+1, r.Max.X-1)
			a, b, c, d := m.COffset(x0, y0), m.COffset(x1, y0), m.COffset(x0, y1), m.COffset(x1, y1)
			for i, src := range [2][]byte{m.Cb, m.Cr} {
				sum := int(src[a]) + int(src[b]) + int(src[c]) + int(src[d])
				chroma[i].pix[y*w+x] = uint8((sum + 2) >> 2)
			}
		}
	}
	return chroma
}
