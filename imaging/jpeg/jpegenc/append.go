package jpegenc

import (
	"errors"
	"fmt"
	"image"
	"slices"

	"vitrine/imaging/jpeg/dct"
)

// defaultQuality is the quality that an Options.Quality of 0 selects.
const defaultQuality = 75

// Options configure Append.
type Options struct {
	// Quality ranges from 1 to 100. Values outside are clamped; 0 means 75.
	Quality int

	// ChromaQuality is the quality of the chroma planes; 0 means Quality.
	ChromaQuality int

	// Optimize makes Huffman tables for the picture in a second pass: the same pixels in fewer bytes, for
	// more time and four bytes of memory for each non-zero coefficient.
	Optimize bool
}

// maxSide is the longest side, in pixels, that a frame header can hold (T.81 B.2.2).
const maxSide = 1<<16 - 1

// Append appends a baseline file of m, an *image.YCbCr or *image.Gray, to dst. It writes colour as 4:2:0, whatever the
// subsampling of m. Without Optimize the bytes are those of image/jpeg at the same quality. Append returns dst and an
// error for an empty picture, for one with a side above 65,535 pixels, and for other types of picture, which wraps
// errors.ErrUnsupported. It is safe for concurrent use.
func Append(dst []byte, m image.Image, o Options) ([]byte, error) {
	size := m.Bounds().Size()
	if size.X < 1 || size.Y < 1 || size.X > maxSide || size.Y > maxSide {
		return dst, fmt.Errorf("jpeg: cannot encode %dx%d pixels: sides must be 1 to %d", size.X, size.Y, maxSide)
	}
	var blocks func(e *encoder)
	components := 3
	switch m := m.(type) {
	case *image.Gray:
		components = 1
		blocks = func(e *encoder) { e.gray(m) }
	case *image.YCbCr:
		blocks = func(e *encoder) { e.colour(m) }
	default:
		return dst, fmt.Errorf("jpeg: cannot encode %T: %w", m, errors.ErrUnsupported)
	}
	e := newEncoder(o)
	tables := annexKCodes
	if o.Optimize {
		e.counts = new([4][256]uint32)
		blocks(e)
		tables = e.optimise(components)
	}
	if len(dst) == cap(dst) {
		dst = slices.Grow(dst, 2<<10+size.X*size.Y/6) // about the size of a photograph at usual qualities
	}
	dst = e.header(dst, size, components, &tables)
	e.out = bitWriter{dst: dst[:cap(dst)], at: len(dst)}
	if o.Optimize {
		e.writeTokens()
	} else {
		blocks(e)
	}
	return append(e.out.flush(), 0xff, eoi), nil
}

// encoder encodes one picture.
type encoder struct {
	quant  [2][64]uint8 // luma and chroma, in zigzag order
	divide [2]divisors
	codes  *[4][256]code
	out    bitWriter
	dc     [3]int32 // DC of the previous block, by component

	// With Optimize, the first pass counts the symbols and keeps the tokens to write; counts is nil otherwise.
	counts *[4][256]uint32
	pages  []*tokenPage
}

func newEncoder(o Options) *encoder {
	if o.Quality == 0 {
		o.Quality = defaultQuality
	}
	e := &encoder{codes: &annexKAssigned, quant: quantisers(min(max(o.Quality, 1), 100))}
	if o.ChromaQuality != 0 {
		e.quant[1] = quantisers(min(max(o.ChromaQuality, 1), 100))[1]
	}
	for i := range e.divide {
		e.divide[i] = newDivisors(&e.quant[i])
	}
	return e
}

// The markers (T.81 table B.1) that a baseline file contains.
const (
	sof0 = 0xc0
	dht  = 0xc4
	soi  = 0xd8
	eoi  = 0xd9
	sos  = 0xda
	dqt  = 0xdb
)

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

// appendCodes appends a DHT segment with the given tables, in the order of annexKCodes.
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

// gray encodes the blocks of a grayscale picture.
func (e *encoder) gray(m *image.Gray) {
	p := plane{m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy()}
	var b dct.Block
	for y := 0; y < p.height; y += 8 {
		for x := 0; x < p.width; x += 8 {
			e.out.reserve(1)
			p.load(&b, x, y)
			e.block(&b, 0)
		}
	}
}

// colour encodes the units of a colour picture: four luma blocks and one block of each chroma plane.
func (e *encoder) colour(m *image.YCbCr) {
	r := m.Rect
	y := plane{m.Y[m.YOffset(r.Min.X, r.Min.Y):], m.YStride, r.Dx(), r.Dy()}
	chroma := newChroma(m)
	var b dct.Block
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
