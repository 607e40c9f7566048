package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vitrine/product"
)

// etag is a product's entity tag. It is weak: a version names one state of the
// product, but two answers with it can differ in the envelope's message ("from
// cache", "from database"), and a strong tag promises equal bytes (RFC 9110,
// section 8.8.1).
func etag(version int64) string {
	return `W/"` + strconv.FormatInt(version, 10) + `"`
}

// condition is the content of an If-Match or If-None-Match header.
type condition struct {
	any      bool    // "*"
	versions []int64 // of the tags that could be ours
}

func (c condition) holds(version int64) bool {
	return c.any || slices.Contains(c.versions, version)
}

// parseCondition reads the header's entity tags (RFC 9110, sections 8.8.3 and
// 13.1), weak and strong ones alike; ok is false where the syntax is broken. A tag
// that this service never gave out matches nothing.
func parseCondition(values []string) (c condition, ok bool) {
	rest := strings.Trim(strings.Join(values, ","), " \t")
	if rest == "*" {
		return condition{any: true}, true
	}
	for rest != "" {
		if rest[0] == ',' || rest[0] == ' ' || rest[0] == '\t' { // empty list elements are legal
			rest = rest[1:]
			continue
		}
		opaque, found := strings.CutPrefix(strings.TrimPrefix(rest, "W/"), `"`)
		end := strings.IndexByte(opaque, '"')
		if !found || end < 0 || strings.ContainsAny(opaque[:end], " \t") {
			return condition{}, false
		}
		tag := opaque[:end]
		if v, err := strconv.ParseInt(tag, 10, 64); err == nil && strconv.FormatInt(v, 10) == tag && v > 0 {
			c.versions = append(c.versions, v)
		}
		rest = strings.TrimLeft(opaque[end+1:], " \t")
		if rest != "" && rest[0] != ',' {
			return condition{}, false
		}
	}
	return c, true
}

// notModified reports whether the client has this version already. A broken
// header is no condition: the answer is then the whole product.
func notModified(r *http.Request, version int64) bool {
	values := r.Header.Values("If-None-Match")
	if len(values) == 0 {
		return false
	}
	c, ok := parseCondition(values)
	return ok && c.holds(version)
}

// minVersionHeader carries a Product-Version that the client has seen: what it
// reads must not be older.
const minVersionHeader = "Min-Version"

// minVersion reads the header, 0 where there is none.
func minVersion(h http.Header) (int64, error) {
	values := h.Values(minVersionHeader)
	if len(values) == 0 {
		return 0, nil
	}
	if len(values) == 1 {
		version, err := strconv.ParseInt(values[0], 10, 64)
		if err == nil && version > 0 && strconv.FormatInt(version, 10) == values[0] {
			return version, nil
		}
	}
	return 0, badHeader(minVersionHeader, "invalid_version", "must be one version as Product-Version gives it, such as 7")
}

// matchNothing is a version that no product has.
const matchNothing = -1

// precondition reads If-Match. Tags are compared by the version in them, so that
// a client can send back the weak ETag that it was given: what a write has to be
// protected from is another state, not another message round the same one.
// A broken header is refused, since ignoring it would write unprotected.
func (a *api) precondition(r *http.Request, id int64) (product.Precondition, error) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return product.Precondition{}, nil
	}
	c, ok := parseCondition(values)
	switch {
	case !ok:
		return product.Precondition{}, badHeader("If-Match", "invalid_entity_tag",
			`must be * or a list of entity tags such as "7"`)
	case c.any: // whatever its version: a missing product is not found anyhow
		return product.Precondition{}, nil
	case len(c.versions) == 0:
		return product.Precondition{Version: matchNothing}, nil
	case len(c.versions) == 1:
		return product.Precondition{Version: c.versions[0]}, nil
	}
	// One of several: the write is then bound to the one that is current.
	current, err := a.service.Get(r.Context(), a.access.scope(r), id)
	if err != nil {
		return product.Precondition{}, err
	}
	if !c.holds(current.Version) {
		return product.Precondition{}, product.ErrPrecondition
	}
	return product.Precondition{Version: current.Version}, nil
}
