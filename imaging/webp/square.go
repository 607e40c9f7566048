package webp

// square is one plane of a macroblock, with side 16 or 8, and the samples around it.
type square struct {
	side      int
	top       [16]byte
	left      [16]byte
	corner    byte
	atTop     bool      // at the top of the picture: top and corner are constants
	atLeft    bool      // at the left of the picture: left and corner are constants
	predicted [256]byte // the first side*side samples
}

// load copies the samples around the square from a reconstructed plane. They are 127 above the picture and 129 to its left
// (RFC 6386, section 12.2).
func (s *square) load(side int, plane []byte, stride, x, y int) {
	s.side, s.atTop, s.atLeft = side, y == 0, x == 0
	at := side*y*stride + side*x
	for i := range side {
		s.top[i], s.left[i] = 127, 129
		if !s.atTop {
			s.top[i] = plane[at-stride+i]
		}
		if !s.atLeft {
			s.left[i] = plane[at+i*stride-1]
		}
	}
	switch {
	case s.atTop:
		s.corner = 127
	case s.atLeft:
		s.corner = 129
	default:
		s.corner = plane[at-stride-1]
	}
}

// predict predicts the plane by one of the first four modes (section 12.2).
func (s *square) predict(mode int) {
	n := s.side
	switch mode {
	case modeDC:
		v := s.mean()
		for i := range s.predicted[:n*n] {
			s.predicted[i] = v
		}
	case modeTM:
		for r := range n {
			d := int32(s.left[r]) - int32(s.corner)
			row := s.predicted[n*r:][:n]
			for c := range row {
				row[c] = clip(d + int32(s.top[c]))
			}
		}
	case modeV:
		for r := range n {
			copy(s.predicted[n*r:][:n], s.top[:n])
		}
	case modeH:
		for r := range n {
			row := s.predicted[n*r:][:n]
			for c := range row {
				row[c] = s.left[r]
			}
		}
	}
}

// mean returns the mean of the row above and the column to the left, as far as they are inside the picture.
func (s *square) mean() byte {
	sum, n := 0, 0
	if !s.atTop {
		for _, v := range s.top[:s.side] {
			sum += int(v)
		}
		n += s.side
	}
	if !s.atLeft {
		for _, v := range s.left[:s.side] {
			sum += int(v)
		}
		n += s.side
	}
	if n == 0 {
		return 128
	}
	return byte((sum + n/2) / n)
}

// block copies block i of the prediction to out.
func (s *square) block(i int, out *[16]byte) {
	perRow := s.side / 4
	loadBlock(out, s.predicted[i/perRow*4*s.side+i%perRow*4:], s.side)
}
