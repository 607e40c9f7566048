package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"vitrine/product"
)

// cacheFormat is the first word of a cached value. It changes with its layout,
// so that replicas of two releases do not misread each other.
const cacheFormat = "3"

// cacheKey returns the key of a product in the cache. Ids are unique within one database
// only, and several installations may share a Redis server, so the key also names the
// installation. That is read from PostgreSQL once, at the latest before the cache is
// trusted for the first time; until then an error may be [product.ErrUnavailable].
func (s *Service) cacheKey(ctx context.Context, product int64) (string, error) {
	installation, err := s.store.InstallationID(ctx)
	return fmt.Sprintf("product:v1:%s:%d", installation, product), err
}

// cacheValue writes a snapshot as it is cached: a line "format id owner
// version", then the data.
func cacheValue(s product.Snapshot) []byte {
	b := make([]byte, 0, 100+len(s.Data))
	b = fmt.Appendf(b, "%s %d %d %d\n", cacheFormat, s.ID, s.Owner, s.Version)
	return append(b, s.Data...)
}

// parseCacheValue reads what cacheValue wrote for id. Anything else is refused:
// the cache is shared, and others may write to it.
func parseCacheValue(id int64, value []byte) (product.Snapshot, bool) {
	header, data, ok := bytes.Cut(value, []byte("\n"))
	words := bytes.Split(header, []byte(" "))
	if !ok || len(words) != 4 || string(words[0]) != cacheFormat || string(words[1]) != strconv.FormatInt(id, 10) {
		return product.Snapshot{}, false
	}
	owner, err := strconv.ParseInt(string(words[2]), 10, 64)
	if err != nil || owner < 1 {
		return product.Snapshot{}, false
	}
	version, err := strconv.ParseInt(string(words[3]), 10, 64)
	if err != nil || version < 1 || len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return product.Snapshot{}, false
	}
	return product.Snapshot{ID: id, Owner: owner, Version: version, Data: data}, true
}
