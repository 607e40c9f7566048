package webp

import (
	"image"
	"math"
)

// planes is a picture in the limited range of ITU-R BT.601, padded to whole macroblocks.
type planes struct {
	y, u, v []byte
	stride  int // of y; the stride of u and v is half of it
}

func newPlanes(mbw, mbh int) planes {
	n := mbw * mbh
	all := make([]byte, 384*n)
	return planes{y: all[:256*n], u: all[256*n:][:64*n], v: all[320*n:], stride: 16 * mbw}
}

// narrowLuma and narrowChroma map the full range of JFIF to the limited range.
var narrowLuma, narrowChroma = narrowTable(16, 219, 0), narrowTable(128, 224, 128)

func narrowTable(base, span, zero float64) (t [256]byte) {
	for i := range t {
		t[i] = byte(math.Round(base + (float64(i)-zero)*span/255))
	}
	return t
}

// load copies a picture to the planes and repeats its last column and row.
func (p *planes) load(m image.Image) {
	switch m := m.(type) {
	case *image.Gray:
		fill(p.y, p.stride, m.Pix, m.Stride, m.Rect.Size(), &narrowLuma)
		for i := range p.u {
			p.u[i], p.v[i] = 128, 128
		}
	case *image.YCbCr:
		size := m.Rect.Size()
		half := image.Pt((size.X+1)/2, (size.Y+1)/2)
		fill(p.y, p.stride, m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y):], m.YStride, size, &narrowLuma)
		first := m.COffset(m.Rect.Min.X, m.Rect.Min.Y)
		cb, cr, stride := m.Cb[first:], m.Cr[first:], m.CStride
		if m.SubsampleRatio == image.YCbCrSubsampleRatio444 {
			cb, cr, stride = halve(cb, stride, size), halve(cr, stride, size), half.X
		}
		fill(p.u, p.stride/2, cb, stride, half, &narrowChroma)
		fill(p.v, p.stride/2, cr, stride, half, &narrowChroma)
	}
}

// fill copies samples through the table and repeats the last column and row.
func fill(dst []byte, dstStride int, src []byte, stride int, size image.Point, table *[256]byte) {
	rows := len(dst) / dstStride
	for y := range rows {
		row := dst[y*dstStride:][:dstStride]
		if y >= size.Y {
			copy(row, dst[(size.Y-1)*dstStride:])
			continue
		}
		for x, v := range src[y*stride:][:size.X] {
			row[x] = table[v]
		}
		for x := size.X; x < dstStride; x++ {
			row[x] = row[size.X-1]
		}
	}
}

// halve returns the means of two by two samples.
func halve(src []byte, stride int, size image.Point) []byte {
	w, h := (size.X+1)/2, (size.Y+1)/2
	out := make([]byte, w*h)
	for y := range h {
		r0, r1 := src[2*y*stride:], src[min(2*y+1, size.Y-1)*stride:]
		for x := range w {
			a, b := 2*x, min(2*x+1, size.X-1)
			out[y*w+x] = byte((int(r0[a]) + int(r0[b]) + int(r1[a]) + int(r1[b]) + 2) / 4)
		}
	}
	return out
}

// blocks visits the 4x4 blocks of a macroblock, luma first, with the samples from the first sample of the block on.
func (p *planes) blocks(x, y int, visit func(i int, samples []byte, stride int)) {
	for i := range firstU {
		visit(i, p.y[(16*y+i>>2*4)*p.stride+16*x+i&3*4:], p.stride)
	}
	half := p.stride / 2
	for i := range 4 {
		at := (8*y+i>>1*4)*half + 8*x + i&1*4
		visit(firstU+i, p.u[at:], half)
		visit(firstV+i, p.v[at:], half)
	}
}

// loadBlock copies a block from a plane.
func loadBlock(b *[16]byte, src []byte, stride int) {
	for r := range 4 {
		copy(b[4*r:4*r+4], src[r*stride:])
	}
}

// storeBlock copies a block to a plane.
func storeBlock(b *[16]byte, dst []byte, stride int) {
	for r := range 4 {
		copy(dst[r*stride:], b[4*r:4*r+4])
	}
}
