package product

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/google/uuid"
)

// The first byte of a cursor says what follows, so that the content may change.
const (
	idCursor       = 1 // the id of the last row, of a list that has one order
	positionCursor = 2 // a position in a list of products
)

const (
	checksumBytes = 4
	// maxCursor is longer than any: the longest sort key is a name.
	maxCursor = 4096
)

var errBadCursor = errors.New("bad cursor")

// IDCursor names the last row of a page. Its checksum tells a cursor from any
// other text; a forged one only moves the reader's own place in the list.
func IDCursor(last uuid.UUID) string {
	return sealCursor(append([]byte{idCursor}, last[:]...))
}

// ParseIDCursor gives the id in a cursor; nil for the empty one.
func ParseIDCursor(s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	b, err := openCursor(s)
	if err != nil || b[0] != idCursor || len(b) != 1+len(uuid.UUID{}) {
		return nil, errBadCursor
	}
	id := uuid.UUID(b[1:])
	return &id, nil
}

// sealCursor makes text of a cursor's content.
func sealCursor(b []byte) string {
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// openCursor gives back what sealCursor was given: at least one byte. There is one
// text for each content.
func openCursor(s string) ([]byte, error) {
	if len(s) > maxCursor {
		return nil, errBadCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) <= checksumBytes {
		return nil, errBadCursor
	}
	body, sum := b[:len(b)-checksumBytes], b[len(b)-checksumBytes:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return nil, errBadCursor
	}
	return body, nil
}
