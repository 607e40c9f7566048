package webp

// Coefficients are twice those of the orthonormal transform, and second-order coefficients four times. So the squared errors of
// samples are a quarter and a sixteenth of those of the coefficients.
const (
	gainShift  = 2
	gainShift2 = 4
)

// zigzag is the order in which coefficients are written (RFC 6386, section 13).
var zigzag = [16]uint8{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

// forward4 transforms the difference of two 4x4 blocks. It is the inverse of the transform of RFC 6386, section 14.4.
func forward4(src, pred *[16]byte, out *[16]int16) {
	const c1, c2 = 5352, 2217 // 4096 * sqrt(2) * cos(pi/8) and sin(pi/8)
	var t [16]int32
	for i := 0; i < 16; i += 4 {
		row := (*[4]int32)(t[i:])
		d0, d1 := int32(src[i])-int32(pred[i]), int32(src[i+1])-int32(pred[i+1])
		d2, d3 := int32(src[i+2])-int32(pred[i+2]), int32(src[i+3])-int32(pred[i+3])
		a, b, c, d := d0+d3, d1+d2, d1-d2, d0-d3
		row[0], row[2] = (a+b)<<3, (a-b)<<3
		row[1], row[3] = (c*c2+d*c1+256)>>9, (d*c2-c*c1+256)>>9
	}
	for i := range 4 {
		a, b, c, d := t[i]+t[12+i], t[4+i]+t[8+i], t[4+i]-t[8+i], t[i]-t[12+i]
		out[i], out[8+i] = int16((a+b+8)>>4), int16((a-b+8)>>4)
		out[4+i], out[12+i] = int16((c*c2+d*c1+1<<15)>>16), int16((d*c2-c*c1+1<<15)>>16)
	}
}

// inverse4 adds the transformed coefficients to a prediction, as decoders do (section 14.4).
func inverse4(in *[16]int16, pred, out *[16]byte) {
	const c1, c2 = 85627, 35468 // 65536 * sqrt(2) * cos(pi/8) and sin(pi/8)
	var t [16]int32
	for i := range 4 {
		p, q, r, s := int32(in[i]), int32(in[4+i]), int32(in[8+i]), int32(in[12+i])
		a, b := p+r, p-r
		c, d := q*c2>>16-s*c1>>16, q*c1>>16+s*c2>>16
		t[4*i], t[4*i+1], t[4*i+2], t[4*i+3] = a+d, b+c, b-c, a-d
	}
	for j := range 4 {
		dc := t[j] + 4
		a, b := dc+t[8+j], dc-t[8+j]
		c, d := t[4+j]*c2>>16-t[12+j]*c1>>16, t[4+j]*c1>>16+t[12+j]*c2>>16
		out[4*j] = clip(int32(pred[4*j]) + (a+d)>>3)
		out[4*j+1] = clip(int32(pred[4*j+1]) + (b+c)>>3)
		out[4*j+2] = clip(int32(pred[4*j+2]) + (b-c)>>3)
		out[4*j+3] = clip(int32(pred[4*j+3]) + (a-d)>>3)
	}
}

// forwardWalsh transforms the first coefficients of 16 blocks. It is the inverse of inverseWalsh.
func forwardWalsh(in, out *[16]int16) {
	var t [16]int32
	for i := range 4 {
		p, q, r, s := int32(in[4*i]), int32(in[4*i+1]), int32(in[4*i+2]), int32(in[4*i+3])
		a, b, c, d := p+s, q+r, q-r, p-s
		t[4*i], t[4*i+1], t[4*i+2], t[4*i+3] = a+b, d+c, a-b, d-c
	}
	for i := range 4 {
		a, b, c, d := t[i]+t[12+i], t[4+i]+t[8+i], t[4+i]-t[8+i], t[i]-t[12+i]
		out[i], out[4+i] = int16((a+b+1)>>1), int16((d+c+1)>>1)
		out[8+i], out[12+i] = int16((a-b+1)>>1), int16((d-c+1)>>1)
	}
}

// inverseWalsh is the inverse transform of the first coefficients (section 14.3).
func inverseWalsh(in, out *[16]int16) {
	var t [16]int32
	for i := range 4 {
		a0, a1 := int32(in[i])+int32(in[12+i]), int32(in[4+i])+int32(in[8+i])
		a2, a3 := int32(in[4+i])-int32(in[8+i]), int32(in[i])-int32(in[12+i])
		t[i], t[8+i], t[4+i], t[12+i] = a0+a1, a0-a1, a3+a2, a3-a2
	}
	for i := range 4 {
		dc := t[4*i] + 3
		a0, a1 := dc+t[4*i+3], t[4*i+1]+t[4*i+2]
		a2, a3 := t[4*i+1]-t[4*i+2], dc-t[4*i+3]
		out[4*i], out[4*i+1] = int16((a0+a1)>>3), int16((a3+a2)>>3)
		out[4*i+2], out[4*i+3] = int16((a0-a1)>>3), int16((a3-a2)>>3)
	}
}
