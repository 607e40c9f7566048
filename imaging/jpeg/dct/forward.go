package dct

// Multipliers of the forward DCT: value * 2^bits, rounded.
const (
	forwardColCos3    = 217965 // cos(3π/16), 18 bits
	forwardColSin3    = 145639 // sin(3π/16), 18 bits
	forwardColCos1    = 257107 // cos(π/16), 18 bits
	forwardColSin1    = 51142  // sin(π/16), 18 bits
	forwardColEvenCos = 141871 // √2 cos(6π/16), 18 bits
	forwardColEvenSin = 342508 // √2 sin(6π/16), 18 bits
	forwardColRoot    = 5793   // √2, 12 bits
	forwardRowCos3    = 13623  // cos(3π/16), 14 bits
	forwardRowSin3    = 9102   // sin(3π/16), 14 bits
	forwardRowCos1    = 16069  // cos(π/16), 14 bits
	forwardRowSin1    = 3196   // sin(π/16), 14 bits
	forwardRowEvenCos = 8867   // √2 cos(6π/16), 14 bits
	forwardRowEvenSin = 21407  // √2 sin(6π/16), 14 bits
	forwardRowRoot    = 23170  // √2, 14 bits
)

// Forward replaces the samples of a block, from 0 to 255, with their coefficients times eight. It applies the transform of
// Loeffler, Ligtenberg and Moschytz (ICASSP 1989) to the columns and then the rows, with the word lengths of image/jpeg.
func Forward(b *Block) {
	forwardColumns(b)
	for i := range 8 {
		forwardRow((*[8]int32)(b[8*i : 8*i+8]))
	}
}

// forwardColumns transforms the columns. The result has 18 fractional bits. Subtracting 8*128 from the sum of a column
// subtracts 128 from each of its samples.
func forwardColumns(b *Block) {
	for i := range 8 {
		x0, x7 := b[i]+b[56+i], b[i]-b[56+i]
		x1, x6 := b[8+i]+b[48+i], b[8+i]-b[48+i]
		x2, x5 := b[16+i]+b[40+i], b[16+i]-b[40+i]
		x3, x4 := b[24+i]+b[32+i], b[24+i]-b[32+i]

		s, t := x0+x3, x1+x2
		b[i], b[32+i] = (s+t-8*128)<<18, (s-t)<<18
		b[48+i], b[16+i] = rotate(x0-x3, x1-x2, forwardColEvenCos, forwardColEvenSin)

		// The flow graph of the paper rotates in the opposite direction; swapping both pairs compensates.
		x7, x4 = rotate(x7, x4, forwardColCos3, forwardColSin3)
		x6, x5 = rotate(x6, x5, forwardColCos1, forwardColSin1)
		x4, x6 = x4+x6, x4-x6
		x7, x5 = x7+x5, x7-x5
		b[24+i], b[40+i] = (x5>>12)*forwardColRoot, (x6>>12)*forwardColRoot
		b[8+i], b[56+i] = x7+x4, x7-x4
	}
}

// forwardRow transforms a row and drops the fractional bits.
func forwardRow(r *[8]int32) {
	x0, x7 := r[0]+r[7], r[0]-r[7]
	x1, x6 := r[1]+r[6], r[1]-r[6]
	x2, x5 := r[2]+r[5], r[2]-r[5]
	x3, x4 := r[3]+r[4], r[3]-r[4]

	const half = 1 << 17
	s, t := x0+x3+half, x1+x2
	r[0], r[4] = (s+t)>>18, (s-t)>>18
	y6, y2 := rotate((x0-x3)>>14, (x1-x2)>>14, forwardRowEvenCos, forwardRowEvenSin)
	r[2], r[6] = (y2+half)>>18, (y6+half)>>18

	x7, x4 = rotate(x7>>14, x4>>14, forwardRowCos3, forwardRowSin3)
	x6, x5 = rotate(x6>>14, x5>>14, forwardRowCos1, forwardRowSin1)
	x4, x6 = x4+x6, x4-x6
	x7, x5 = x7+x5, x7-x5
	r[3], r[5] = ((x5>>14)*forwardRowRoot+half)>>18, ((x6>>14)*forwardRowRoot+half)>>18
	r[1], r[7] = (x7+x4+half)>>18, (x7-x4+half)>>18
}
