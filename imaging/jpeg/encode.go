package jpeg

import (
	"errors"
	"fmt"
	"image"
	"slices"
)

// DefaultQuality is the quality used for 0.
const DefaultQuality = 75

// EncoderOptions configure encoding.
type EncoderOptions struct {
	// Quality is 1 to 100. Values outside are clamped; 0 means DefaultQuality.
	Quality int

	// ChromaQuality is the quality of the chroma planes; 0 means Quality.
	ChromaQuality int

	// Optimize computes Huffman tables for the picture: the same pixels in fewer bytes, at the cost of more
	// time and four bytes of memory for each coefficient that is not zero.
	Optimize bool
}

// ErrSize is returned for an empty picture, or one with a side longer than 65,535 pixels.
var ErrSize = errors.New("jpeg: picture must have sides of 1 to 65535 pixels")

// Append appends m, an *image.YCbCr or *image.Gray, to dst as a baseline file. Colour is written as 4:2:0, whatever the
// subsampling of m. Without Optimize the bytes equal those of image/jpeg at the same quality. It is safe for concurrent
// use.
func Append(dst []byte, m image.Image, o EncoderOptions) ([]byte, error) {
	size := m.Bounds().Size()
	if size.X < 1 || size.Y < 1 || size.X > 0xffff || size.Y > 0xffff {
		return dst, fmt.Errorf("%w: %dx%d", ErrSize, size.X, size.Y)
	}
	if o.Quality == 0 {
		o.Quality = DefaultQuality
	}
	e := encoder{codes: &annexKAssigned}
	e.quant = quantisers(min(max(o.Quality, 1), 100))
	if o.ChromaQuality != 0 {
		e.quant[1] = quantisers(min(max(o.ChromaQuality, 1), 100))[1]
	}
	for i := range e.divide {
		e.divide[i] = newDivisors(&e.quant[i])
	}
	var blocks func()
	components := 3
	switch m := m.(type) {
	case *image.Gray:
		components = 1
		blocks = func() { e.gray(m) }
	case *image.YCbCr:
		blocks = func() { e.colour(m) }
	default:
		return dst, fmt.Errorf("%w: pictures of type %T", ErrUnsupported, m)
	}
	tables := annexKCodes
	if o.Optimize {
		e.counts = new([4][256]uint32)
		blocks()
		tables = e.optimise(components)
	}
	if len(dst) == cap(dst) {
		dst = slices.Grow(dst, 2<<10+size.X*size.Y/6) // about what a photograph takes at usual qualities
	}
	dst = e.header(dst, size, components, &tables)
	e.out = bitWriter{dst: dst[:cap(dst)], at: len(dst)}
	if o.Optimize {
		e.replay()
	} else {
		blocks()
	}
	return append(e.out.flush(), 0xff, eoi), nil
}

// encoder is one picture being encoded.
type encoder struct {
	quant  [2][64]uint8 // luma and chroma, in zigzag order
	divide [2]divisors
	codes  *[4][256]code
	out    bitWriter
	dc     [3]int32 // DC of the block before, by component

	// With optimised tables the first pass records what it would write.
	counts *[4][256]uint32
	pages  []*tokenPage
}

// header appends everything before the entropy-coded data.
func (e *encoder) header(dst []byte, size image.Point, components int, tables *[4]codeTable) []byte {
	dst = append(dst, 0xff, soi)
	dst = append(dst, 0xff, dqt, 0, 2+2*65)
	for i := range e.quant {
		dst = append(append(dst, uint8(i)), e.quant[i][:]...)
	}
	dst = append(dst, 0xff, sof0, 0, uint8(8+3*components), 8,
		uint8(size.Y>>8), uint8(size.Y), uint8(size.X>>8), uint8(size.X), uint8(components))
	if components == 1 {
		dst = append(dst, 1, 0x11, 0)
	} else {
		dst = append(dst, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
	}
	dst = appendCodes(dst, tables[:min(components+1, 4)])
	if components == 1 {
		return append(dst, 0xff, sos, 0, 8, 1, 1, 0x00, 0, 63, 0)
	}
	return append(dst, 0xff, sos, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)
}

// appendCodes appends a DHT segment of the tables, luma's or all four.
func appendCodes(dst []byte, tables []codeTable) []byte {
	length := 2
	for _, t := range tables {
		length += 1 + maxCode + len(t.symbols)
	}
	dst = append(dst, 0xff, dht, uint8(length>>8), uint8(length))
	for i, t := range tables {
		dst = append(dst, uint8(i&1)<<4|uint8(i>>1))
		dst = append(append(dst, t.counts[:]...), t.symbols...)
	}
	return dst
}

// gray encodes the blocks of a gray picture.
func (e *encoder) gray(m *image.Gray) {
	p := plane{m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy()}
	var b block
	for y := 0; y < p.height; y += 8 {
		for x := 0; x < p.width; x += 8 {
			e.out.reserve(1)
			p.load(&b, x, y)
			e.block(&b, 0)
		}
	}
}

// colour encodes the units of a colour picture: four blocks of luma and one of each chroma.
func (e *encoder) colour(m *image.YCbCr) {
	r := m.Rect
	y := plane{m.Y[m.YOffset(r.Min.X, r.Min.Y):], m.YStride, r.Dx(), r.Dy()}
	chroma := newChroma(m)
	var b block
	for uy := 0; uy < y.height; uy += 16 {
		for ux := 0; ux < y.width; ux += 16 {
			e.out.reserve(6)
			for i := range 4 {
				y.load(&b, ux+i&1*8, uy+i>>1*8)
				e.block(&b, 0)
			}
			for i := range chroma {
				chroma[i].load(&b, ux/2, uy/2)
				e.block(&b, 1+i)
			}
		}
	}
}
