package product

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/google/uuid"
)

// cursorVersion is the first byte of a cursor, so that its content may change.
const cursorVersion = 1

const cursorBytes = 1 + 16 + 4

var errBadCursor = errors.New("bad cursor")

// cursor names the last product of a page. Its checksum tells a cursor from any
// other text; a forged one only moves the reader's own place in the list.
func cursor(last uuid.UUID) string {
	b := make([]byte, 0, cursorBytes)
	b = append(b, cursorVersion)
	b = append(b, last[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor gives the id in a cursor; nil for the empty one.
func parseCursor(s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion {
		return nil, errBadCursor
	}
	body, sum := b[:cursorBytes-4], b[cursorBytes-4:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return nil, errBadCursor
	}
	id := uuid.UUID(body[1:])
	return &id, nil
}
