package resize

import "sync"

// Scaler scales a picture whose rows come one after another from the top, so that
// the picture is nowhere as a whole. It serves one goroutine at a time, and writes
// the same samples as [Scale].
type Scaler struct {
	dst            []byte
	stride, height int // of the destination
	width          int // of the source, in bytes
	channels       int
	across, down   []window // nil where rows are copied
	done           int      // rows of dst that are written, or kept by plain

	ring [][]byte // row y of the source is at y modulo the length
	bufs [][]byte
	next int // row of the source that comes next
	taps [][]byte

	vector  bool // which of the two it is
	vectors vectors
	plain   plain
}

var scalers = sync.Pool{New: func() any { return new(Scaler) }}

// NewScaler makes the Scaler for a picture of so many interleaved channels (see
// [Source]), which writes to dst, whose rows are stride bytes apart. Its memory is
// that of Scale.
func NewScaler(dst []byte, stride, channels int, x, y Axis) *Scaler {
	return newScaler(dst, stride, channels, x, y, true)
}

func newScaler(dst []byte, stride, channels int, x, y Axis, vector bool) *Scaler {
	s := scalers.Get().(*Scaler)
	s.dst, s.stride, s.height = dst, stride, y.Dst
	s.width, s.channels = x.Src*channels, channels
	s.next, s.done = 0, 0
	if x.identity() && y.identity() {
		s.across, s.down = nil, nil
		return s
	}
	s.across, s.down = x.windows(), y.windows()
	// The ring must hold the widest window, and the one after it may start earlier
	// than this one's end.
	depth := 1
	for _, w := range s.down {
		depth = max(depth, len(w.coefs))
	}
	s.ring, s.bufs = resized(s.ring, depth), resized(s.bufs, depth)
	s.taps = resized(s.taps, depth+1)
	if s.vector = vector && s.vectors.prepare(x.Src, channels, s.across); !s.vector {
		s.plain.mid = resized(s.plain.mid, s.width)
	}
	return s
}

// Write takes the next row of the source; it keeps a copy. Rows that are not
// needed any more are let pass.
func (s *Scaler) Write(row []byte) {
	if s.done < s.height {
		s.take(append(s.room()[:0], row[:s.width]...))
	}
}

// room is where a copy of the next row may be put.
func (s *Scaler) room() []byte {
	if s.across == nil {
		return s.dst[s.next*s.stride:][:s.width]
	}
	buf := &s.bufs[s.next%len(s.bufs)]
	*buf = resized(*buf, s.width)
	return *buf
}

// take takes the next row, which must not change as long as a window reaches it,
// and writes what can be written then.
func (s *Scaler) take(row []byte) {
	if s.across == nil {
		copy(s.room(), row)
		s.next++
		s.done++
		return
	}
	s.ring[s.next%len(s.ring)] = row
	for s.next++; s.done < s.height; s.done++ {
		w := s.down[s.done]
		if w.first+len(w.coefs) > s.next {
			return
		}
		taps := s.taps[:len(w.coefs)]
		for k := range taps {
			taps[k] = s.ring[(w.first+k)%len(s.ring)]
		}
		if s.vector {
			s.vectors.row(s.dst[s.done*s.stride:][:len(s.across)], taps, w)
		} else {
			s.plain.row(s, taps, w)
		}
	}
}

// Close returns the memory of the Scaler, which must not be used any more, to the
// next one, and drops the references to the pictures.
func (s *Scaler) Close() {
	clear(s.ring[:cap(s.ring)])
	clear(s.taps[:cap(s.taps)])
	s.dst, s.across, s.down = nil, nil, nil
	scalers.Put(s)
}

func resized[T any](b []T, n int) []T {
	if cap(b) < n {
		grown := make([]T, n)
		copy(grown, b[:cap(b)])
		return grown
	}
	return b[:n]
}
