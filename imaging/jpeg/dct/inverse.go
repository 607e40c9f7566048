package dct

import "encoding/binary"

// Multipliers of the inverse DCT: value * 2^bits, rounded.
const (
	rowEvenCos = 70936  // cos(6π/16)/√2, 18 bits
	rowEvenSin = 171254 // sin(6π/16)/√2, 18 bits
	rowHalf    = 181    // 1/√2, 8 bits
	colEvenCos = 1108   // cos(6π/16)/√2, 12 bits
	colEvenSin = 2676   // sin(6π/16)/√2, 12 bits
	colHalf    = 11585  // 1/√2, 14 bits
	cos3       = 3406   // cos(3π/16), 12 bits
	sin3       = 2276   // sin(3π/16), 12 bits
	cos1       = 4017   // cos(π/16), 12 bits
	sin1       = 799    // sin(π/16), 12 bits
)

// clamp maps bits 18 to 31 of a column sum to the sample: the integer part of the sum plus 128, clamped to 0 to 255.
var clamp = func() (t [1 << 14]uint8) {
	for i := range t {
		v := int(int32(i)<<18>>18) + 128
		t[i] = uint8(min(max(v, 0), 255))
	}
	return t
}()

// sample returns the sample for a column sum.
func sample(v int32) uint8 { return clamp[uint32(v)>>18] }

// Inverse writes the 8x8 samples of a dequantised block to dst, whose rows are stride bytes apart, and sets the AC
// coefficients to zero. mask has a bit for each AC coefficient that may be non-zero, by its index in the block.
//
// The transform is the one of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), applied to the rows and then the columns. It
// uses the word lengths of image/jpeg, because the points where bits are dropped determine the last bit of a sample. Sums
// are modulo 2^32, so skipping zeros doesn't change them.
func Inverse(b *Block, mask uint64, dst []byte, stride int) {
	if mask == 0 {
		level := uint64(sample((b[0]<<17 + 1<<19) >> 2))
		fillRows(level*0x0101010101010101, dst, stride)
		return
	}
	for y := range 8 {
		row := (*[8]int32)(b[8*y : 8*y+8])
		switch set := uint8(mask >> (8 * y)); {
		case set&0xf0 != 0:
			inverseRow(row)
		case set > 1:
			inverseRowHalf(row)
		case set == 1 || y == 0:
			v := row[0] << 17
			*row = [8]int32{v, v, v, v, v, v, v, v}
		}
	}
	switch {
	case mask < 1<<8:
		level := uint64(0)
		for x := range 8 {
			level |= uint64(sample((b[x]+1<<19)>>2)) << (8 * x)
		}
		fillRows(level, dst, stride)
	case mask < 1<<32:
		inverseColumnsHalf(b, dst, stride)
	default:
		inverseColumns(b, dst, stride)
	}
	*b = Block{}
}

// fillRows stores the same eight samples in eight rows.
func fillRows(samples uint64, dst []byte, stride int) {
	for y := range 8 {
		binary.LittleEndian.PutUint64(dst[y*stride:], samples)
	}
}

// inverseRow transforms a row. The result has 20 more fractional bits.
func inverseRow(r *[8]int32) {
	a, b := r[0]<<17+r[4]<<17, r[0]<<17-r[4]<<17
	x2, x3 := rotate(r[2], r[6], rowEvenCos, rowEvenSin)
	e0, e1, e2, e3 := a+x3, b+x2, b-x2, a-x3

	x7, x4 := (r[1]+r[7])<<7, (r[1]-r[7])<<7
	x5, x6 := r[3]*rowHalf, r[5]*rowHalf
	x7, x5 = x7+x5, x7-x5
	x4, x6 = x4+x6, x4-x6
	x4, x7 = rotate(x4>>2, x7>>2, cos3, sin3)
	x5, x6 = rotate(x5>>2, x6>>2, cos1, sin1)

	r[0], r[1], r[2], r[3] = e0+x7, e1+x6, e2+x5, e3+x4
	r[4], r[5], r[6], r[7] = e3-x4, e2-x5, e1-x6, e0-x7
}

// inverseRowHalf is inverseRow for a row whose last four coefficients are zero.
func inverseRowHalf(r *[8]int32) {
	a := r[0] << 17
	x2, x3 := r[2]*rowEvenCos, r[2]*rowEvenSin
	e0, e1, e2, e3 := a+x3, a+x2, a-x2, a-x3

	x4, x5 := r[1]<<7, r[3]*rowHalf
	x6, x7 := x4>>2, (x4+x5)>>2
	x5 = (x4 - x5) >> 2
	x4, x7 = rotate(x6, x7, cos3, sin3)
	x5, x6 = rotate(x5, x6, cos1, sin1)

	r[0], r[1], r[2], r[3] = e0+x7, e1+x6, e2+x5, e3+x4
	r[4], r[5], r[6], r[7] = e3-x4, e2-x5, e1-x6, e0-x7
}

// inverseColumns transforms the columns and stores the samples.
func inverseColumns(b *Block, dst []byte, stride int) {
	d0, d1, d2, d3 := eight(dst, 0), eight(dst, stride), eight(dst, 2*stride), eight(dst, 3*stride)
	d4, d5, d6, d7 := eight(dst, 4*stride), eight(dst, 5*stride), eight(dst, 6*stride), eight(dst, 7*stride)
	for i := range 8 {
		first := b[i] + 1<<19 // half a sample, for rounding
		even, odd := (first+b[32+i])>>2, (first-b[32+i])>>2
		x2, x3 := rotate(b[16+i]>>13, b[48+i]>>13, colEvenCos, colEvenSin)
		e0, e1, e2, e3 := even+x3, odd+x2, odd-x2, even-x3

		x7, x4 := b[8+i]+b[56+i], b[8+i]-b[56+i]
		x5, x6 := (b[24+i]>>13)*colHalf, (b[40+i]>>13)*colHalf
		x7, x5 = x7+x5, x7-x5
		x4, x6 = x4+x6, x4-x6
		x4, x7 = rotate(x4>>14, x7>>14, cos3, sin3)
		x5, x6 = rotate(x5>>14, x6>>14, cos1, sin1)

		d0[i], d7[i] = sample(e0+x7), sample(e0-x7)
		d1[i], d6[i] = sample(e1+x6), sample(e1-x6)
		d2[i], d5[i] = sample(e2+x5), sample(e2-x5)
		d3[i], d4[i] = sample(e3+x4), sample(e3-x4)
	}
}

// inverseColumnsHalf is inverseColumns for a block whose last four rows are zero.
func inverseColumnsHalf(b *Block, dst []byte, stride int) {
	d0, d1, d2, d3 := eight(dst, 0), eight(dst, stride), eight(dst, 2*stride), eight(dst, 3*stride)
	d4, d5, d6, d7 := eight(dst, 4*stride), eight(dst, 5*stride), eight(dst, 6*stride), eight(dst, 7*stride)
	for i := range 8 {
		even := (b[i] + 1<<19) >> 2
		x2, x3 := (b[16+i]>>13)*colEvenCos, (b[16+i]>>13)*colEvenSin
		e0, e1, e2, e3 := even+x3, even+x2, even-x2, even-x3

		x4, x5 := b[8+i], (b[24+i]>>13)*colHalf
		x6, x7 := x4>>14, (x4+x5)>>14
		x5 = (x4 - x5) >> 14
		x4, x7 = rotate(x6, x7, cos3, sin3)
		x5, x6 = rotate(x5, x6, cos1, sin1)

		d0[i], d7[i] = sample(e0+x7), sample(e0-x7)
		d1[i], d6[i] = sample(e1+x6), sample(e1-x6)
		d2[i], d5[i] = sample(e2+x5), sample(e2-x5)
		d3[i], d4[i] = sample(e3+x4), sample(e3-x4)
	}
}

// eight returns the eight samples at an offset.
func eight(dst []byte, at int) *[8]byte { return (*[8]byte)(dst[at:]) }
