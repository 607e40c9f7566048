package dct

import "encoding/binary"

// The transforms for smaller pictures evaluate the low frequencies at 4x4 or 2x2 points. With
// Bi = F0 + √2 Σ Fk cos((2i+1)kπ/2N), applied to rows and columns, the samples are an eighth of the result. The result
// need not match another decoder, so the steps are arranged for few multiplications.

// Multipliers of the 4-point transform, 13 bits.
const (
	cos8 = 10703 // √2 cos(π/8)
	sin8 = 4433  // √2 sin(π/8)
)

// Masks of the 4x4 and the 2x2 lowest frequencies.
const (
	lowFour = 0x0f0f0f0f
	lowTwo  = 0x0303
)

// rounded returns the sample for a sum with the given number of fractional bits.
func rounded(v int32, fraction uint) uint8 {
	v = 128 + (v+1<<(fraction-1))>>fraction
	return uint8(min(max(v, 0), 255))
}

// Inverse4 is Inverse at half the size: it writes 4x4 samples.
func Inverse4(b *Block, mask uint64, dst []byte, stride int) {
	if mask&lowFour == 0 {
		level := uint32(rounded(b[0], 3)) * 0x01010101
		for y := range 4 {
			binary.LittleEndian.PutUint32(dst[y*stride:], level)
		}
		if mask != 0 {
			*b = Block{}
		}
		return
	}
	var t [16]int32 // with two fractional bits
	for y := range 4 {
		r := (*[4]int32)(b[8*y : 8*y+4])
		if uint8(mask>>(8*y))&15 == 0 && y > 0 {
			continue
		}
		p0, p1, p2, p3 := four(r[0], r[1], r[2], r[3])
		t[4*y], t[4*y+1], t[4*y+2], t[4*y+3] = p0>>11, p1>>11, p2>>11, p3>>11
	}
	d0, d1, d2, d3 := (*[4]byte)(dst), (*[4]byte)(dst[stride:]), (*[4]byte)(dst[2*stride:]), (*[4]byte)(dst[3*stride:])
	for x := range 4 {
		p0, p1, p2, p3 := four(t[x], t[4+x], t[8+x], t[12+x])
		d0[x], d1[x], d2[x], d3[x] = rounded(p0, 18), rounded(p1, 18), rounded(p2, 18), rounded(p3, 18)
	}
	*b = Block{}
}

// four computes the 4-point transform. The result has 13 more fractional bits.
func four(f0, f1, f2, f3 int32) (p0, p1, p2, p3 int32) {
	e0, e1 := (f0+f2)<<13, (f0-f2)<<13
	o0, o1 := f1*cos8+f3*sin8, f1*sin8-f3*cos8
	return e0 + o0, e1 + o1, e1 - o1, e0 - o0
}

// Inverse2 is Inverse at a quarter of the size: it writes 2x2 samples.
func Inverse2(b *Block, mask uint64, dst []byte, stride int) {
	d0, d1 := (*[2]byte)(dst), (*[2]byte)(dst[stride:])
	if mask&lowTwo == 0 {
		level := rounded(b[0], 3)
		d0[0], d0[1], d1[0], d1[1] = level, level, level, level
	} else {
		left, right := b[0]+b[8], b[1]+b[9]
		d0[0], d0[1] = rounded(left+right, 3), rounded(left-right, 3)
		left, right = b[0]-b[8], b[1]-b[9]
		d1[0], d1[1] = rounded(left+right, 3), rounded(left-right, 3)
	}
	if mask != 0 {
		*b = Block{}
	}
}

// Inverse1 writes the mean of a block, as one sample, to dst. It doesn't change the block.
func Inverse1(b *Block, dst []byte) { dst[0] = rounded(b[0], 3) }
