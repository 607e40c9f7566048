package jpeg

// Multipliers of the forward DCT: value * 2^bits, rounded.
const (
	fdctColCos3    = 217965 // cos(3π/16), 18 bits
	fdctColSin3    = 145639 // sin(3π/16), 18 bits
	fdctColCos1    = 257107 // cos(π/16), 18 bits
	fdctColSin1    = 51142  // sin(π/16), 18 bits
	fdctColEvenCos = 141871 // √2 cos(6π/16), 18 bits
	fdctColEvenSin = 342508 // √2 sin(6π/16), 18 bits
	fdctColRoot    = 5793   // √2, 12 bits
	fdctRowCos3    = 13623  // cos(3π/16), 14 bits
	fdctRowSin3    = 9102   // sin(3π/16), 14 bits
	fdctRowCos1    = 16069  // cos(π/16), 14 bits
	fdctRowSin1    = 3196   // sin(π/16), 14 bits
	fdctRowEvenCos = 8867   // √2 cos(6π/16), 14 bits
	fdctRowEvenSin = 21407  // √2 sin(6π/16), 14 bits
	fdctRowRoot    = 23170  // √2, 14 bits
)

// fdct replaces the samples of a block, 0 to 255, by eight times their coefficients: the transform of
// Loeffler, Ligtenberg and Moschytz (ICASSP 1989), columns first, with the word lengths of image/jpeg.
func fdct(b *block) {
	fdctColumns(b)
	for i := range 8 {
		fdctRow((*[8]int32)(b[8*i : 8*i+8]))
	}
}

// fdctColumns leaves 18 fractional bits, and takes 128 off every sample by way of their sum.
func fdctColumns(b *block) {
	for i := range 8 {
		x0, x7 := b[i]+b[56+i], b[i]-b[56+i]
		x1, x6 := b[8+i]+b[48+i], b[8+i]-b[48+i]
		x2, x5 := b[16+i]+b[40+i], b[16+i]-b[40+i]
		x3, x4 := b[24+i]+b[32+i], b[24+i]-b[32+i]

		s, t := x0+x3, x1+x2
		b[i], b[32+i] = (s+t-8*128)<<18, (s-t)<<18
		b[48+i], b[16+i] = rotate(x0-x3, x1-x2, fdctColEvenCos, fdctColEvenSin)

		// rotate turns the other way than the flow graph of the paper; swapping both pairs makes up for it.
		x7, x4 = rotate(x7, x4, fdctColCos3, fdctColSin3)
		x6, x5 = rotate(x6, x5, fdctColCos1, fdctColSin1)
		x4, x6 = x4+x6, x4-x6
		x7, x5 = x7+x5, x7-x5
		b[24+i], b[40+i] = (x5>>12)*fdctColRoot, (x6>>12)*fdctColRoot
		b[8+i], b[56+i] = x7+x4, x7-x4
	}
}

// fdctRow drops the fractional bits again.
func fdctRow(r *[8]int32) {
	x0, x7 := r[0]+r[7], r[0]-r[7]
	x1, x6 := r[1]+r[6], r[1]-r[6]
	x2, x5 := r[2]+r[5], r[2]-r[5]
	x3, x4 := r[3]+r[4], r[3]-r[4]

	const half = 1 << 17
	s, t := x0+x3+half, x1+x2
	r[0], r[4] = (s+t)>>18, (s-t)>>18
	y6, y2 := rotate((x0-x3)>>14, (x1-x2)>>14, fdctRowEvenCos, fdctRowEvenSin)
	r[2], r[6] = (y2+half)>>18, (y6+half)>>18

	x7, x4 = rotate(x7>>14, x4>>14, fdctRowCos3, fdctRowSin3)
	x6, x5 = rotate(x6>>14, x5>>14, fdctRowCos1, fdctRowSin1)
	x4, x6 = x4+x6, x4-x6
	x7, x5 = x7+x5, x7-x5
	r[3], r[5] = ((x5>>14)*fdctRowRoot+half)>>18, ((x6>>14)*fdctRowRoot+half)>>18
	r[1], r[7] = (x7+x4+half)>>18, (x7-x4+half)>>18
}
