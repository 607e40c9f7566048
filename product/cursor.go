package product

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// The first byte of a cursor is its kind, so that the format can change.
const (
	idCursor       = 1 // id of the last row, for lists with one order
	positionCursor = 2 // position in a list of products
)

const (
	checksumBytes = 4
	// maxCursor is longer than any valid cursor; the longest sort key is a name.
	maxCursor = 4096
)

var errBadCursor = errors.New("bad cursor")

// IDCursor returns the cursor of the page that follows the row last. Its checksum detects
// damage. A forged cursor is harmless: it only selects another page for its caller.
func IDCursor(last uuid.UUID) string {
	return sealCursor(append([]byte{idCursor}, last[:]...))
}

// ParseIDCursor returns the id in a cursor, or nil if s is empty.
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

// sealCursor encodes a cursor's content with a checksum.
func sealCursor(b []byte) string {
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// openCursor is the inverse of sealCursor. It returns at least one byte, and accepts only
// one text for each content.
func openCursor(s string) ([]byte, error) {
	if len(s) > maxCursor {
		return nil, errBadCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) <= checksumBytes {
		return nil, errBadCursor
	}
	content, sum := b[:len(b)-checksumBytes], b[len(b)-checksumBytes:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(content) {
		return nil, errBadCursor
	}
	return content, nil
}

// ListPosition is a position in a sorted list of products: after the product with this
// sort key and id, whether or not that product still exists. Key is the text form of the
// sort key, which PostgreSQL reads.
type ListPosition struct {
	Key string
	ID  int64
}

// positionBytes is the length of a position without its key: kind, sort, digest, id.
const positionBytes = 1 + 1 + digestBytes + 8

// maxKeyBytes is longer than any name in lower case.
const maxKeyBytes = 8 * MaxName

// CursorAt returns the filter's cursor for the products after p.
func (q Filter) CursorAt(p ListPosition) string {
	digest := q.digest()
	b := make([]byte, 0, positionBytes+len(p.Key)+checksumBytes)
	b = append(b, positionCursor, byte(slices.Index(Sorts, q.Order())))
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.ID))
	return sealCursor(append(b, p.Key...))
}

var (
	errBadPosition = &FieldError{Field: "cursor", Code: "invalid", Detail: "is not valid: pass next_cursor from the previous page"}
	errOtherSort   = &FieldError{Field: "cursor", Code: "other_sort", Detail: "belongs to a different sort: keep the sort or start without a cursor"}
	errOtherFilter = &FieldError{Field: "cursor", Code: "other_filter", Detail: "belongs to a different filter: keep the filter or start without a cursor"}
)

// Position returns the position in the filter's cursor, nil if the cursor is empty. The
// position lies within the filter's selection, so a forged cursor cannot make PostgreSQL
// read rows outside it or text that is not a valid key.
func (q Filter) Position() (*ListPosition, *FieldError) {
	if q.Cursor == "" {
		return nil, nil
	}
	b, err := openCursor(q.Cursor)
	if err != nil || b[0] != positionCursor || len(b) < positionBytes || int(b[1]) >= len(Sorts) {
		return nil, errBadPosition
	}
	if Sorts[b[1]] != q.Order() {
		return nil, errOtherSort
	}
	if digest := q.digest(); string(b[2:2+digestBytes]) != string(digest[:]) {
		return nil, errOtherFilter
	}
	p := &ListPosition{ID: int64(binary.BigEndian.Uint64(b[2+digestBytes:])), Key: string(b[positionBytes:])}
	if !q.holds(p.Key) {
		return nil, errBadPosition
	}
	return p, nil
}

// holds reports whether the filter can select a product with the sort key.
func (q Filter) holds(key string) bool {
	q = q.Normalized()
	switch field := strings.TrimPrefix(string(q.Order()), "-"); field {
	case "product_price":
		p, err := ParsePrice(key)
		return err == nil && p.String() == key &&
			(q.MinPrice == nil || !p.Less(*q.MinPrice)) && (q.MaxPrice == nil || !q.MaxPrice.Less(p))
	case "product_name":
		return len(key) <= maxKeyBytes && utf8.ValidString(key) && !strings.ContainsRune(key, 0)
	default:
		t, err := time.Parse(keyTime, key)
		return err == nil && t.Format(keyTime) == key && t.Year() > 0 && (field != "created_at" ||
			(q.CreatedAfter == nil || t.After(*q.CreatedAfter)) && (q.CreatedBefore == nil || t.Before(*q.CreatedBefore)))
	}
}

// keyTime is the format of times in sort keys: UTC with microseconds, as in PostgreSQL.
const keyTime = "2006-01-02T15:04:05.000000Z"

// FormatSortKey returns the text of a sort key that the driver returned, for a
// [ListPosition].
func FormatSortKey(key any) (string, error) {
	switch v := key.(type) {
	case time.Time:
		return v.UTC().Format(keyTime), nil
	case []byte:
		return string(v), nil
	case string:
		return v, nil
	}
	return "", fmt.Errorf("cannot format sort key of type %T", key)
}
