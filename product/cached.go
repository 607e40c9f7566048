package product

import (
	"bytes"
	"fmt"
	"strconv"
)

// cacheFormat is the first word of a cached value. It changes with its layout,
// so that replicas of two releases do not misread each other.
const cacheFormat = "3"

func cacheKey(id int64) string { return "product:v1:" + strconv.FormatInt(id, 10) }

// cacheValue writes a snapshot as it is cached: a line "format id owner
// version", then the data.
func cacheValue(s Snapshot) []byte {
	b := make([]byte, 0, 100+len(s.Data))
	b = fmt.Appendf(b, "%s %d %d %d\n", cacheFormat, s.ID, s.Owner, s.Version)
	return append(b, s.Data...)
}

// parseCacheValue reads what cacheValue wrote for id. Anything else is refused:
// the cache is shared, and others may write to it.
func parseCacheValue(id int64, value []byte) (Snapshot, bool) {
	header, data, ok := bytes.Cut(value, []byte("\n"))
	words := bytes.Split(header, []byte(" "))
	if !ok || len(words) != 4 || string(words[0]) != cacheFormat || string(words[1]) != strconv.FormatInt(id, 10) {
		return Snapshot{}, false
	}
	owner, err := strconv.ParseInt(string(words[2]), 10, 64)
	if err != nil || owner < 1 {
		return Snapshot{}, false
	}
	version, err := strconv.ParseInt(string(words[3]), 10, 64)
	if err != nil || version < 1 || len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return Snapshot{}, false
	}
	return Snapshot{ID: id, Owner: owner, Version: version, Data: data}, true
}
