package product

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// position is a place in a sorted list of products: behind the product with this
// sort key and id, whether that product is still there or not. Key is the text that
// PostgreSQL reads the key from.
type ListPosition struct {
	Key string
	ID  int64
}

// positionBytes is a position's length without its key: version, sort, digest, id.
const positionBytes = 1 + 1 + digestBytes + 8

// maxKeyBytes is longer than any name in lower case.
const maxKeyBytes = 8 * MaxName

// cursor makes the filter's cursor for the products behind p.
func (q Filter) CursorAt(p ListPosition) string {
	digest := q.digest()
	b := make([]byte, 0, positionBytes+len(p.Key)+checksumBytes)
	b = append(b, positionCursor, byte(slices.Index(Sorts, q.Order())))
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.ID))
	return sealCursor(append(b, p.Key...))
}

// cursorError is what is wrong with a cursor.
type cursorError struct{ Code, Detail string }

var (
	errNoCursor    = &cursorError{"invalid", "is none that a list has given"}
	errOtherSort   = &cursorError{"other_sort", "was given for another sort; begin without a cursor, or keep the sort"}
	errOtherFilter = &cursorError{"other_filter", "was given for another filter; begin without a cursor, or keep the filter"}
)

// position gives the place that the filter's cursor names, nil where there is none.
// It lies among what the filter selects: no forged cursor makes PostgreSQL read what
// no page would show, or text that it cannot.
func (q Filter) Position() (*ListPosition, *cursorError) {
	if q.Cursor == "" {
		return nil, nil
	}
	b, err := openCursor(q.Cursor)
	if err != nil || b[0] != positionCursor || len(b) < positionBytes || int(b[1]) >= len(Sorts) {
		return nil, errNoCursor
	}
	if Sorts[b[1]] != q.Order() {
		return nil, errOtherSort
	}
	if digest := q.digest(); string(b[2:2+digestBytes]) != string(digest[:]) {
		return nil, errOtherFilter
	}
	p := &ListPosition{ID: int64(binary.BigEndian.Uint64(b[2+digestBytes:])), Key: string(b[positionBytes:])}
	if !q.holds(p.Key) {
		return nil, errNoCursor
	}
	return p, nil
}

// holds reports whether key is the sort key of a product that the filter may select.
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

// keyTime is how a time stands in a sort key: in UTC, with PostgreSQL's microseconds.
const keyTime = "2006-01-02T15:04:05.000000Z"

// keyText makes a position's key of a sort key as the driver gives it.
func FormatSortKey(key any) (string, error) {
	switch v := key.(type) {
	case time.Time:
		return v.UTC().Format(keyTime), nil
	case []byte:
		return string(v), nil
	case string:
		return v, nil
	}
	return "", fmt.Errorf("sort key of type %T", key)
}
