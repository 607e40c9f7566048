package imagingtest

import (
	"encoding/binary"
	"image"
	"image/color"
	"math"
)

// Coding is how [RareJPEG] codes a picture: in ways that cameras, printers and web sites use
// and the standard encoder does not.
type Coding struct {
	Progressive bool
	// Sampling is the horizontal and vertical factors of each component, such as
	// 0x21, 0x11, 0x11 for 4:2:2: one for gray, three for colour, four for CMYK.
	Sampling []byte
	// Transform is the Adobe marker's: -1 writes none; 0 is RGB or CMYK, 1 is
	// YCbCr, 2 is YCCK. Adobe's CMYK is stored inverted.
	Transform int
}

// RareJPEG returns a JPEG of img with that coding, at about quality 90. All Huffman codes have
// the same length, which is simple but makes larger files.
func RareJPEG(img image.Image, c Coding) []byte {
	e := &jpegEncoder{coding: c, width: img.Bounds().Dx(), height: img.Bounds().Dy()}
	for _, hv := range c.Sampling {
		e.maxH, e.maxV = max(e.maxH, int(hv>>4)), max(e.maxV, int(hv&15))
	}
	if len(c.Sampling) == 1 { // a single component is never interleaved
		e.maxH, e.maxV = 1, 1
	}
	e.header()
	e.transform(img)
	if !c.Progressive {
		e.scan(e.all(), 0, 63)
	} else {
		e.scan(e.all(), 0, 0)
		for k := range c.Sampling {
			e.scan([]int{k}, 1, 5)
			e.scan([]int{k}, 6, 63)
		}
	}
	return append(e.out, 0xff, 0xd9)
}

type jpegEncoder struct {
	coding        Coding
	width, height int
	maxH, maxV    int
	blocks        [][][64]int // of each component, in rows of stride
	stride        []int
	out           []byte
	acc           uint32
	bits          uint
}

const rareQuantum = 5

var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

func (e *jpegEncoder) segment(marker byte, content []byte) {
	e.out = append(e.out, 0xff, marker)
	e.out = binary.BigEndian.AppendUint16(e.out, uint16(len(content)+2))
	e.out = append(e.out, content...)
}

// header writes everything before the first scan. All components share table 0 of each
// class: 12 DC codes of 4 bits, and 252 AC codes of 8 bits.
func (e *jpegEncoder) header() {
	e.out = []byte{0xff, 0xd8}
	if e.coding.Transform >= 0 {
		e.segment(0xee, []byte{'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, byte(e.coding.Transform)})
	}
	dqt := make([]byte, 65)
	for i := 1; i < 65; i++ {
		dqt[i] = rareQuantum
	}
	e.segment(0xdb, dqt)
	sof := []byte{8}
	sof = binary.BigEndian.AppendUint16(sof, uint16(e.height))
	sof = binary.BigEndian.AppendUint16(sof, uint16(e.width))
	sof = append(sof, byte(len(e.coding.Sampling)))
	for i, hv := range e.coding.Sampling {
		sof = append(sof, byte(i+1), hv, 0)
	}
	marker := byte(0xc0)
	if e.coding.Progressive {
		marker = 0xc2
	}
	e.segment(marker, sof)
	dc, ac := make([]byte, 17+12), make([]byte, 17+252)
	dc[4], ac[0], ac[8] = 12, 0x10, 252
	for i := range 12 {
		dc[17+i] = byte(i)
	}
	for i := range 252 {
		ac[17+i] = byte(i)
	}
	e.segment(0xc4, dc)
	e.segment(0xc4, ac)
}

func (e *jpegEncoder) all() []int {
	list := make([]int, len(e.coding.Sampling))
	for i := range list {
		list[i] = i
	}
	return list
}

// transform fills in the quantized coefficients, in zigzag order.
func (e *jpegEncoder) transform(img image.Image) {
	mcuX := (e.width + 8*e.maxH - 1) / (8 * e.maxH)
	mcuY := (e.height + 8*e.maxV - 1) / (8 * e.maxV)
	for k, hv := range e.coding.Sampling {
		h, v := int(hv>>4), int(hv&15)
		if len(e.coding.Sampling) == 1 {
			h, v = 1, 1
		}
		stride, rows := mcuX*h, mcuY*v
		blocks := make([][64]int, stride*rows)
		for i := range blocks {
			blocks[i] = e.block(img, k, i%stride*8, i/stride*8, e.maxH/h, e.maxV/v)
		}
		e.blocks, e.stride = append(e.blocks, blocks), append(e.stride, stride)
	}
}

// block samples a component at x, y of its grid, each sample the mean of dx by dy pixels, and
// transforms the block (ITU T.81, A.3.3).
func (e *jpegEncoder) block(img image.Image, component, x, y, dx, dy int) (out [64]int) {
	var s [64]float64
	for i := range s {
		sum := 0.0
		for j := range dx * dy {
			px := min((x+i%8)*dx+j%dx, e.width-1)
			py := min((y+i/8)*dy+j/dx, e.height-1)
			sum += e.value(img.At(img.Bounds().Min.X+px, img.Bounds().Min.Y+py), component)
		}
		s[i] = sum/float64(dx*dy) - 128
	}
	var rows, both [64]float64 // the transform is separable
	for i := range rows {
		for x := range 8 {
			rows[i] += s[i/8*8+x] * cosines[x][i%8]
		}
	}
	for i := range both {
		for y := range 8 {
			both[i] += rows[y*8+i%8] * cosines[y][i/8]
		}
	}
	for k, at := range zigzag {
		out[k] = int(math.Round(both[at] / 4 / rareQuantum))
	}
	return out
}

var cosines = func() (t [8][8]float64) {
	for x := range t {
		for u := range t[x] {
			t[x][u] = math.Cos(float64(2*x+1) * float64(u) * math.Pi / 16)
			if u == 0 {
				t[x][u] /= math.Sqrt2
			}
		}
	}
	return t
}()

// value returns the stored value of a component of a colour.
func (e *jpegEncoder) value(c color.Color, component int) float64 {
	rgb := color.NRGBAModel.Convert(c).(color.NRGBA)
	switch {
	case len(e.coding.Sampling) == 4:
		k := color.CMYKModel.Convert(c).(color.CMYK)
		inks := [4]byte{k.C, k.M, k.Y, k.K}
		if e.coding.Transform == 2 && component < 3 {
			y, cb, cr := color.RGBToYCbCr(k.C, k.M, k.Y) // inverted twice: as inks, and by Adobe
			return float64([3]byte{y, cb, cr}[component])
		}
		return float64(255 - inks[component])
	case e.coding.Transform == 0:
		return float64([3]byte{rgb.R, rgb.G, rgb.B}[component])
	}
	y, cb, cr := color.RGBToYCbCr(rgb.R, rgb.G, rgb.B)
	return float64([3]byte{y, cb, cr}[component])
}

// scan writes the coefficients with the indices from to to, in zigzag order.
func (e *jpegEncoder) scan(components []int, from, to int) {
	head := []byte{byte(len(components))}
	for _, k := range components {
		head = append(head, byte(k+1), 0)
	}
	e.segment(0xda, append(head, byte(from), byte(to), 0))
	dc := make([]int, 4)
	if len(components) == 1 && len(e.coding.Sampling) > 1 {
		e.single(components[0], from, to)
	} else {
		e.interleaved(components, from, to, dc)
	}
	for e.bits != 0 {
		e.put(1, 1) // pad with ones
	}
}

// single writes the blocks of one component that hold pixels.
func (e *jpegEncoder) single(k, from, to int) {
	hv := e.coding.Sampling[k]
	across := (e.width*int(hv>>4) + 8*e.maxH - 1) / (8 * e.maxH)
	down := (e.height*int(hv&15) + 8*e.maxV - 1) / (8 * e.maxV)
	for y := range down {
		for x := range across {
			e.coefficients(&e.blocks[k][y*e.stride[k]+x], from, to, nil)
		}
	}
}

func (e *jpegEncoder) interleaved(components []int, from, to int, dc []int) {
	mcuX := (e.width + 8*e.maxH - 1) / (8 * e.maxH)
	mcuY := (e.height + 8*e.maxV - 1) / (8 * e.maxV)
	for m := range mcuX * mcuY {
		for _, k := range components {
			h, v := int(e.coding.Sampling[k]>>4), int(e.coding.Sampling[k]&15)
			if len(e.coding.Sampling) == 1 {
				h, v = 1, 1
			}
			for j := range h * v {
				x, y := m%mcuX*h+j%h, m/mcuX*v+j/h
				e.coefficients(&e.blocks[k][y*e.stride[k]+x], from, to, &dc[k])
			}
		}
	}
}

func (e *jpegEncoder) coefficients(b *[64]int, from, to int, dc *int) {
	if from == 0 {
		size, extra := magnitude(b[0] - *dc)
		*dc = b[0]
		e.put(uint32(size), 4)
		e.put(extra, uint(size))
	}
	run := 0
	for k := max(from, 1); k <= to; k++ {
		if b[k] == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.put(0xf0, 8)
		}
		size, extra := magnitude(b[k])
		e.put(uint32(run<<4|size), 8)
		e.put(extra, uint(size))
		run = 0
	}
	if run > 0 {
		e.put(0x00, 8) // end of block
	}
}

// magnitude returns a value's size class and the bits that follow it (T.81, F.1.2.1).
func magnitude(v int) (size int, extra uint32) {
	abs := max(v, -v)
	for abs>>size != 0 {
		size++
	}
	if v < 0 {
		v += 1<<size - 1
	}
	return size, uint32(v)
}

func (e *jpegEncoder) put(v uint32, n uint) {
	for n > 0 {
		n--
		e.acc = e.acc<<1 | v>>n&1
		e.bits++
		if e.bits == 8 {
			e.out = append(e.out, byte(e.acc))
			if byte(e.acc) == 0xff {
				e.out = append(e.out, 0)
			}
			e.acc, e.bits = 0, 0
		}
	}
}
