package resize

// Source is the picture to scale: rows of interleaved 8-bit channels. Colour
// channels beside an alpha channel have to be premultiplied.
type Source struct {
	Width, Height int
	Channels      int // 1 or 4
	// Row returns row y: either a part of the picture, or buf, which has room for
	// Width*Channels bytes, filled. It is asked once for each row that is
	// needed, from the top down.
	Row func(y int, buf []byte) []byte
}

// Plane returns the source for samples in memory, rows stride bytes apart.
func Plane(pix []byte, stride, width, height, channels int) Source {
	n := width * channels
	return Source{width, height, channels, func(y int, _ []byte) []byte {
		return pix[y*stride : y*stride+n]
	}}
}

// Scale writes src, scaled by the axes, to dst, whose rows are stride bytes
// apart. Its scratch memory is about Channels*Width*(8+4*ratio) bytes. Safe for
// concurrent use with different destinations.
func Scale(dst []byte, stride int, src Source, x, y Axis) {
	scale(NewScaler(dst, stride, src.Channels, x, y), src)
}

// scale asks for no rows that no window reaches.
func scale(s *Scaler, src Source) {
	defer s.Close()
	for s.done < s.height {
		if s.across != nil {
			s.next = max(s.next, s.down[s.done].first)
		}
		s.take(src.Row(s.next, s.room()))
	}
}
