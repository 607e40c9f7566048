package imagingtest

// LargeProgressive returns a progressive JPEG of w x h pixels in five scans or more. It takes
// little work and memory to make: all blocks are the same slight ramp. Each further scan of
// refine costs a reader as much as a real one. The sampling is that of [Coding]; four
// components are YCCK.
func LargeProgressive(w, h, refine int, sampling ...byte) []byte {
	e := &jpegEncoder{coding: Coding{Progressive: true, Sampling: sampling, Transform: -1}, width: w, height: h}
	if len(sampling) == 4 {
		e.coding.Transform = 2
	}
	for _, hv := range sampling {
		e.maxH, e.maxV = max(e.maxH, int(hv>>4)), max(e.maxV, int(hv&15))
	}
	if len(sampling) == 1 {
		e.maxH, e.maxV = 1, 1
	}
	e.header()
	content := []byte{byte(len(sampling))}
	units := (w + 8*e.maxH - 1) / (8 * e.maxH) * ((h + 8*e.maxV - 1) / (8 * e.maxV))
	bits := 0
	for i, hv := range sampling {
		content = append(content, byte(i+1), 0)
		if len(sampling) == 1 {
			hv = 0x11
		}
		bits += 4 * int(hv>>4) * int(hv&15) * units
	}
	e.segment(0xda, append(content, 0, 0, 0))
	e.repeat(0, 4, bits/4) // no difference in the mean
	for i, hv := range sampling {
		blocks := e.blocksAlone(hv)
		e.segment(0xda, []byte{1, byte(i + 1), 0, 1, 63, 0x01})
		e.repeat(0x0300, 17, blocks) // a coefficient of 1 (01, sign 1), end of block (00)
		for range max(refine, 1) {
			e.segment(0xda, []byte{1, byte(i + 1), 0, 1, 63, 0x10})
			e.repeat(0, 9, blocks) // end of block (00), no correction (0)
		}
	}
	return append(e.out, 0xff, 0xd9)
}

// blocksAlone returns the number of blocks of a component that hold pixels.
func (e *jpegEncoder) blocksAlone(hv byte) int {
	across := (e.width*int(hv>>4) + 8*e.maxH - 1) / (8 * e.maxH)
	down := (e.height*int(hv&15) + 8*e.maxV - 1) / (8 * e.maxV)
	if len(e.coding.Sampling) == 1 {
		return (e.width + 7) / 8 * ((e.height + 7) / 8)
	}
	return across * down
}

// repeat writes the n bits of code that many times. Eight of them make whole bytes. No code
// leads to a byte of ones.
func (e *jpegEncoder) repeat(code uint32, n uint, times int) {
	mark := len(e.out)
	for range 8 {
		e.put(code, n)
	}
	eight := append([]byte{}, e.out[mark:]...)
	for range times/8 - 1 {
		e.out = append(e.out, eight...)
	}
	if times < 8 {
		panic("picture: too small a picture")
	}
	for range times % 8 {
		e.put(code, n)
	}
	for e.bits != 0 {
		e.put(1, 1)
	}
}
