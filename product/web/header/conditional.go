package header

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vitrine/product/web/problem"
)

// ETag returns a product's entity tag. It is weak: a version identifies one state of
// the product, but two answers with it can differ in the envelope's message ("from
// cache", "from database"), and a strong tag promises equal bytes (RFC 9110, section
// 8.8.1).
func ETag(version int64) string {
	return `W/"` + strconv.FormatInt(version, 10) + `"`
}

// Condition is the content of an If-Match or If-None-Match header.
type Condition struct {
	Any      bool    // "*"
	Versions []int64 // in the tags that this service could have sent
}

// Holds reports whether the condition names the version.
func (c Condition) Holds(version int64) bool {
	return c.Any || slices.Contains(c.Versions, version)
}

// ParseCondition reads the header's entity tags (RFC 9110, sections 8.8.3 and 13.1),
// weak and strong ones alike; ok is false if the header is malformed. A tag that this
// service never sent matches nothing.
func ParseCondition(values []string) (c Condition, ok bool) {
	rest := strings.Trim(strings.Join(values, ","), " \t")
	if rest == "*" {
		return Condition{Any: true}, true
	}
	for rest != "" {
		if rest[0] == ',' || rest[0] == ' ' || rest[0] == '\t' { // empty list elements are legal
			rest = rest[1:]
			continue
		}
		opaque, found := strings.CutPrefix(strings.TrimPrefix(rest, "W/"), `"`)
		end := strings.IndexByte(opaque, '"')
		if !found || end < 0 || strings.ContainsAny(opaque[:end], " \t") {
			return Condition{}, false
		}
		tag := opaque[:end]
		if v, err := strconv.ParseInt(tag, 10, 64); err == nil && strconv.FormatInt(v, 10) == tag && v > 0 {
			c.Versions = append(c.Versions, v)
		}
		rest = strings.TrimLeft(opaque[end+1:], " \t")
		if rest != "" && rest[0] != ',' {
			return Condition{}, false
		}
	}
	return c, true
}

// NotModified reports whether If-None-Match names this version. A malformed header is
// ignored: the answer is then the whole product.
func NotModified(r *http.Request, version int64) bool {
	values := r.Header.Values("If-None-Match")
	if len(values) == 0 {
		return false
	}
	c, ok := ParseCondition(values)
	return ok && c.Holds(version)
}

// MinVersionName is the header with a Product-Version that the client has seen: what
// it reads must not be older.
const MinVersionName = "Min-Version"

// MinVersion returns the version in Min-Version, 0 without that header.
func MinVersion(h http.Header) (int64, error) {
	values := h.Values(MinVersionName)
	if len(values) == 0 {
		return 0, nil
	}
	if len(values) == 1 {
		version, err := strconv.ParseInt(values[0], 10, 64)
		if err == nil && version > 0 && strconv.FormatInt(version, 10) == values[0] {
			return version, nil
		}
	}
	return 0, problem.OfHeader(MinVersionName, "invalid_version", "must be a version as sent in Product-Version, such as 7")
}
