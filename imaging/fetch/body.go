package fetch

import (
	"fmt"
	"io"

	"vitrine/imaging"
)

// sniffBytes is the number of bytes that show the format of a body.
const sniffBytes = 512

// readBody reads a body of at most limit bytes. size is the announced length, or -1 if it is
// unknown. It stops after the first bytes of a body that is not a picture.
func readBody(r io.Reader, size, limit int64) ([]byte, error) {
	// One more byte than the known size lets the end be seen without growing the buffer.
	capacity := size + 1
	if size < 0 {
		capacity = 64 << 10
	}
	body := make([]byte, 0, capacity)
	sniffed := false
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := r.Read(body[len(body):min(int64(cap(body)), limit+1)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, bodyTooLarge(limit)
		}
		if !sniffed && (len(body) >= sniffBytes || err == io.EOF) {
			if _, err := imaging.Sniff(body); err != nil {
				return nil, failed(imaging.CodeUnsupportedFormat, err.Error(), nil)
			}
			sniffed = true
		}
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, transient(imaging.CodeConnectFailed, "the connection was lost during the download", err)
		}
	}
}

func bodyTooLarge(limit int64) *imaging.Error {
	return failed(imaging.CodeBodyTooLarge, fmt.Sprintf("the source is larger than %d bytes", limit), nil)
}
