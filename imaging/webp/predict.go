package webp

// The prediction modes, in the order of the probabilities (RFC 6386, section 8.1). The first four also apply to whole
// macroblocks.
const (
	modeDC = iota
	modeTM
	modeV
	modeH
	modeRD
	modeVR
	modeLD
	modeVL
	modeHD
	modeHU
	modes4 // number of modes of a 4x4 block
)

// modes16 is the number of modes of a macroblock.
const modes16 = 4

func avg2(a, b byte) byte    { return byte((int(a) + int(b) + 1) >> 1) }
func avg3(a, b, c byte) byte { return byte((int(a) + 2*int(b) + int(c) + 2) >> 2) }
func clip(v int32) byte      { return byte(min(max(v, 0), 255)) }

// edge4 holds the samples around a 4x4 block: the column to its left from the bottom up, the corner, the row above, and four
// more samples to the right of that row.
type edge4 [13]byte

// predict4 predicts a 4x4 block by a mode (RFC 6386, section 12.3).
func predict4(mode int, e *edge4, out *[16]byte) {
	switch mode {
	case modeDC:
		sum := 4
		for i := range 4 {
			sum += int(e[i]) + int(e[5+i])
		}
		for i := range out {
			out[i] = byte(sum >> 3)
		}
	case modeTM:
		for r := range 4 {
			d := int32(e[3-r]) - int32(e[4])
			for c := range 4 {
				out[4*r+c] = clip(d + int32(e[5+c]))
			}
		}
	case modeV:
		for c := range 4 {
			v := avg3(e[4+c], e[5+c], e[6+c])
			out[c], out[4+c], out[8+c], out[12+c] = v, v, v, v
		}
	case modeH:
		for r := range 4 {
			v := avg3(e[4-r], e[3-r], e[max(2-r, 0)])
			out[4*r], out[4*r+1], out[4*r+2], out[4*r+3] = v, v, v, v
		}
	default:
		diagonal(mode, e, out)
	}
}

// diagonal is predict4 for the modes with diagonal directions.
func diagonal(mode int, e *edge4, out *[16]byte) {
	switch mode {
	case modeRD:
		for i := range 7 {
			v := avg3(e[i], e[i+1], e[i+2])
			for r := max(3-i, 0); r < min(7-i, 4); r++ {
				out[4*r+i+r-3] = v
			}
		}
	case modeLD:
		for i := range 7 {
			v := avg3(e[5+i], e[6+i], e[min(7+i, 12)])
			for r := max(i-3, 0); r <= min(i, 3); r++ {
				out[4*r+i-r] = v
			}
		}
	case modeVR:
		for c := range 4 {
			out[c], out[4+c] = avg2(e[4+c], e[5+c]), avg3(e[3+c], e[4+c], e[5+c])
		}
		out[8], out[12] = avg3(e[2], e[3], e[4]), avg3(e[1], e[2], e[3])
		copy(out[9:12], out[0:3])
		copy(out[13:16], out[4:7])
	case modeVL:
		for c := range 4 {
			out[c], out[4+c] = avg2(e[5+c], e[6+c]), avg3(e[5+c], e[6+c], e[7+c])
		}
		copy(out[8:11], out[1:4])
		copy(out[12:15], out[5:8])
		out[11], out[15] = avg3(e[9], e[10], e[11]), avg3(e[10], e[11], e[12])
	case modeHD:
		for r := range 4 {
			out[4*r], out[4*r+1] = avg2(e[3-r], e[4-r]), avg3(e[3-r], e[4-r], e[5-r])
		}
		out[2], out[3] = avg3(e[4], e[5], e[6]), avg3(e[5], e[6], e[7])
		for r := 1; r < 4; r++ {
			out[4*r+2], out[4*r+3] = out[4*r-4], out[4*r-3]
		}
	case modeHU:
		out[0], out[1] = avg2(e[3], e[2]), avg3(e[3], e[2], e[1])
		out[2], out[3] = avg2(e[2], e[1]), avg3(e[2], e[1], e[0])
		out[6], out[7] = avg2(e[1], e[0]), avg3(e[1], e[0], e[0])
		out[4], out[5] = out[2], out[3]
		out[8], out[9] = out[6], out[7]
		for _, i := range [...]int{10, 11, 12, 13, 14, 15} {
			out[i] = e[0]
		}
	}
}
