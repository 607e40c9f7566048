package process

import (
	"encoding/binary"
	"io"
)

// pngReader reads a PNG without the chunks that do not affect its pixels. The decoder
// needs four kilobytes and a microsecond for each chunk, a file can have millions, and a
// damaged one would make the decoder reject the picture.
type pngReader struct {
	rest []byte
	left int // bytes of rest before the next chunk
}

func newPNGReader(src []byte) *pngReader {
	const signature = 8
	return &pngReader{rest: src, left: min(signature, len(src))}
}

// Read implements [io.Reader].
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

// chunk returns the size of the next chunk and whether the decoder needs it. The decoder
// also gets chunks that are too long or cut off, so that it rejects the file.
func (r *pngReader) chunk() (size int, needed bool) {
	const overhead = 12 // length, name and checksum
	if len(r.rest) < overhead {
		return len(r.rest), true
	}
	content := binary.BigEndian.Uint32(r.rest)
	if uint64(content)+overhead > uint64(len(r.rest)) {
		return len(r.rest), true
	}
	switch string(r.rest[4:8]) {
	case "IHDR", "PLTE", "tRNS", "IDAT", "IEND":
		needed = true
	}
	return int(content) + overhead, needed
}
