package colour

// MulDiv255 returns v*a/255, rounded.
func MulDiv255(v, a byte) byte {
	t := uint32(v)*uint32(a) + 128
	return byte((t + t>>8) >> 8)
}

// Narrow rounds big-endian 16-bit samples to 8 bits.
func Narrow(dst, src []byte) []byte {
	for i := range len(src) / 2 {
		v := uint32(src[2*i])<<8 | uint32(src[2*i+1])
		dst[i] = byte((v*255 + 32895) >> 16)
	}
	return dst
}
