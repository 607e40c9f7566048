package imaging

import (
	"encoding/binary"
	"io"
)

// pngReader hands out a PNG without the chunks that say nothing of its pixels. The
// decoder takes four kilobytes and a microsecond for each of them, of which a file
// can have millions, and does without the picture where one is damaged.
type pngReader struct {
	rest []byte
	left int // bytes of rest to be handed out before the next chunk is looked at
}

func newPNGReader(src []byte) *pngReader {
	const signature = 8
	return &pngReader{rest: src, left: min(signature, len(src))}
}

// Read implements io.Reader.
func (r *pngReader) Read(p []byte) (int, error) {
	for r.left == 0 {
		if len(r.rest) == 0 {
			return 0, io.EOF
		}
		size, needed := r.chunk()
		if needed {
			r.left = size
		} else {
			r.rest = r.rest[size:]
		}
	}
	n := copy(p, r.rest[:r.left])
	r.rest, r.left = r.rest[n:], r.left-n
	return n, nil
}

// chunk is the size of the next chunk, and whether the decoder is to see it: also
// what is too long or cut off, which it then refuses.
func (r *pngReader) chunk() (size int, needed bool) {
	const around = 12 // length, name and checksum
	if len(r.rest) < around {
		return len(r.rest), true
	}
	content := binary.BigEndian.Uint32(r.rest)
	if uint64(content)+around > uint64(len(r.rest)) {
		return len(r.rest), true
	}
	switch string(r.rest[4:8]) {
	case "IHDR", "PLTE", "tRNS", "IDAT", "IEND":
		needed = true
	}
	return int(content) + around, needed
}
