package web

import (
	"net/http"
	"strconv"
	"strings"

	"vitrine/product"
)

// send answers with the envelope {"data": ..., "message": "..."} round data, which
// is JSON already. The body is put together before the header is written, so that
// an answer is whole or a problem.
func send(w http.ResponseWriter, r *http.Request, status int, data []byte, message string) {
	body := make([]byte, 0, len(data)+len(message)+32)
	body = append(body, `{"data":`...)
	body = append(body, data...)
	body = append(body, `,"message":"`...)
	body = append(body, message...) // one of ours: nothing in it to escape
	body = append(body, "\"}\n"...)
	write(w, r, status, "application/json", body)
}

// write sends a whole answer. Unless the handler has said otherwise it must not
// be stored anywhere.
func write(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: there is nobody to tell
	}
}

// describe sets the headers that tell a client which state of a product it got.
func describe(h http.Header, s product.Snapshot) { describeVersion(h, s.Version) }

func describeVersion(h http.Header, version int64) {
	h.Set("ETag", etag(version))
	h.Set("Product-Version", strconv.FormatInt(version, 10))
}

// markCache says whether the answer comes from the cache, for people in X-Cache and
// for programs in Cache-Status (RFC 9211). Its detail tells of a database out of
// reach: what is served then is the last acknowledged state, and cannot change.
func markCache(h http.Header, source product.Source) (hit bool) {
	switch source {
	case product.FromCacheAlone:
		h.Set("X-Cache", "HIT")
		h.Set("Cache-Status", "vitrine; hit; detail=database-unavailable")
	case product.FromCache:
		h.Set("X-Cache", "HIT")
		h.Set("Cache-Status", "vitrine; hit")
	default:
		h.Set("X-Cache", "MISS")
		h.Set("Cache-Status", "vitrine; fwd=miss")
	}
	return source != product.FromDatabase
}

// locate sets where a created thing is, under the prefix that the client used.
func locate(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Location", prefixOf(r)+path)
}

// prefixOf gives "/api" for a request that came under it, else "".
func prefixOf(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, apiPrefix+"/") {
		return apiPrefix
	}
	return ""
}
