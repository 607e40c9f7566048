package resize

// Source is the picture to scale: rows of interleaved 8-bit channels. Four channels are premultiplied colours and alpha.
type Source struct {
	Width, Height int
	Channels      int // 1 or 4
	// Row returns row y: either part of the picture, or buf, which has room for Width*Channels bytes, filled with the
	// row. It is called at most once for each row, from the top down.
	Row func(y int, buf []byte) []byte
}

// Plane returns a source for samples in memory, in rows stride bytes apart.
func Plane(pix []byte, stride, width, height, channels int) Source {
	n := width * channels
	return Source{width, height, channels, func(y int, _ []byte) []byte {
		return pix[y*stride : y*stride+n]
	}}
}

// Scale writes src, scaled by the axes, to dst, whose rows are stride bytes apart. It needs about
// Channels*Width*(8+4*ratio) bytes of working memory. It is safe for concurrent use with different destinations.
func Scale(dst []byte, stride int, src Source, x, y Axis) {
	scale(NewScaler(dst, stride, src.Channels, x, y), src)
}

// scale scales src with s. It skips rows that no window needs.
func scale(s *Scaler, src Source) {
	defer s.Close()
	for s.done < s.height {
		if s.across != nil {
			s.next = max(s.next, s.down[s.done].first)
		}
		s.take(src.Row(s.next, s.room()))
	}
}
