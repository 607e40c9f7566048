package resize

import "sync"

// Scaler scales a picture that arrives row by row from the top, so that the whole picture need not be in memory. It writes
// the same samples as [Scale]. It is not safe for concurrent use.
type Scaler struct {
	dst            []byte
	stride, height int // of the destination
	width          int // of the source, in bytes
	channels       int
	across, down   []window // nil if rows are only copied
	done           int      // rows of dst that are written or held by plain

	ring [][]byte // source rows: row y is at y modulo the length
	bufs [][]byte // memory for copies of rows, indexed like ring
	next int      // the next source row
	taps [][]byte // the source rows of a window

	vector  bool // use vectors instead of plain
	vectors vectors
	plain   plain
}

// scalers recycles scalers with their working memory.
var scalers = sync.Pool{New: func() any { return new(Scaler) }}

// NewScaler returns a Scaler for a picture with the given number of interleaved channels (see [Source]). It writes to dst,
// whose rows are stride bytes apart, and needs as much memory as Scale. The caller must call Close.
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
	// The ring must hold the widest window. The next window may start before the end of the current one.
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

// Write adds the next source row, of which it keeps a copy. It ignores rows after the last one needed.
func (s *Scaler) Write(row []byte) {
	if s.done < s.height {
		s.take(append(s.room()[:0], row[:s.width]...))
	}
}

// room returns the memory for a copy of the next row.
func (s *Scaler) room() []byte {
	if s.across == nil {
		return s.dst[s.next*s.stride:][:s.width]
	}
	buf := &s.bufs[s.next%len(s.bufs)]
	*buf = resized(*buf, s.width)
	return *buf
}

// take adds the next row, which must not change while a window needs it, and writes the destination rows that are now
// complete.
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

// Close releases the memory of the Scaler to other Scalers and drops the references to the pictures. The Scaler must not be
// used afterwards.
func (s *Scaler) Close() {
	clear(s.ring[:cap(s.ring)])
	clear(s.taps[:cap(s.taps)])
	s.dst, s.across, s.down = nil, nil, nil
	scalers.Put(s)
}

// resized returns a slice of length n with the contents of b as far as they fit, in the memory of b if possible.
func resized[T any](b []T, n int) []T {
	if cap(b) < n {
		grown := make([]T, n)
		copy(grown, b[:cap(b)])
		return grown
	}
	return b[:n]
}
