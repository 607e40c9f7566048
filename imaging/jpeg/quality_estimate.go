package jpeg

// standardLuma is the sum of the luminance quantisers of T.81 table K.1, the reference of libjpeg's quality scale.
const standardLuma = 3688

// tableSums stores the sum of each complete quantisation table of a DQT segment (T.81 B.2.4.1) in sums.
func tableSums(p []byte, sums *[4]int) {
	for len(p) > 0 {
		precision, id := p[0]>>4&1, p[0]&3
		p = p[1:]
		size := 64 << precision
		if len(p) < size {
			return
		}
		sum := 0
		for i := range 64 {
			if precision == 0 {
				sum += int(p[i])
			} else {
				sum += int(p[2*i])<<8 | int(p[2*i+1])
			}
		}
		sums[id] = sum
		p = p[size:]
	}
}

// qualityOf returns the libjpeg quality q of a luma table by its sum. libjpeg multiplies the standard table by 50/q if q is
// below 50, and by 2-q/50 otherwise.
func qualityOf(sum int) int {
	switch {
	case sum <= 0:
		return 0
	case sum < standardLuma:
		return min(max(100-50*sum/standardLuma, 1), 100)
	}
	return max(50*standardLuma/sum, 1)
}
