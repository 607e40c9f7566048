package imaging

import (
	"fmt"
	"io"
)

// sniffBytes is how much of a body shows its format.
const sniffBytes = 512

// readBody reads a body of at most limit bytes; size is what its header
// announced, or -1. It stops after the first bytes of what is no picture.
func readBody(r io.Reader, size, limit int64) ([]byte, error) {
	// Where the size is known, one byte more shows the end without growing.
	room := size + 1
	if size < 0 {
		room = 64 << 10
	}
	body := make([]byte, 0, room)
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
			if _, err := Sniff(body); err != nil {
				return nil, failed(CodeUnsupportedFormat, err.Error(), nil)
			}
			sniffed = true
		}
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, transient(CodeConnectFailed, "the connection broke off during the download", err)
		}
	}
}

func bodyTooLarge(limit int64) *Error {
	return failed(CodeBodyTooLarge, fmt.Sprintf("the source is larger than %d bytes", limit), nil)
}
