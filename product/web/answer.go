package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vitrine/product"
	"vitrine/product/web/body"
	"vitrine/product/web/header"
	"vitrine/product/web/query"
)

// send answers with the envelope {"data": ..., "message": "..."} around data, which is
// JSON. The body is complete before the header is written, so that an answer is whole
// or a problem.
func send(w http.ResponseWriter, r *http.Request, status int, data []byte, message string) {
	text := make([]byte, 0, len(data)+len(message)+32)
	text = append(text, `{"data":`...)
	text = append(text, data...)
	text = append(text, `,"message":"`...)
	text = append(text, message...) // a constant without characters to escape
	text = append(text, "\"}\n"...)
	write(w, r, status, body.JSON, text)
}

// sendJSON is send for a value that is encoded as JSON.
func sendJSON(w http.ResponseWriter, r *http.Request, status int, value any, message string) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	send(w, r, status, data, message)
	return nil
}

// sendPage answers with a page of a list: the envelope and, beside data, the cursor of
// the next page and, if requested, the number of matches on all pages. next_cursor is
// null on the last page; other pages have a Link to the next one. known are the names
// of the list's parameters.
func sendPage(w http.ResponseWriter, r *http.Request, known []string, page product.Page, message string) {
	if page.Next != "" {
		linkNextPage(w.Header(), r, known, page.Next)
	}
	size := len(page.Next) + 192
	for _, item := range page.Items {
		size += len(item) + 1
	}
	text := append(make([]byte, 0, size), `{"data":[`...)
	for i, item := range page.Items {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, item...)
	}
	text = append(text, `],"message":"`...)
	text = append(text, message...)
	text = fmt.Appendf(text, `","has_more":%t,"next_cursor":`, page.HasMore)
	if page.Next == "" {
		text = append(text, "null"...)
	} else {
		text = fmt.Appendf(text, `"%s"`, page.Next) // base64url has nothing to escape
	}
	if page.Total != nil {
		relation := "at_least"
		if page.Total.Exact {
			relation = "exact"
		}
		text = fmt.Appendf(text, `,"total":%d,"total_relation":"%s"`, page.Total.Count, relation)
	}
	text = append(text, "}\n"...)
	write(w, r, http.StatusOK, body.JSON, text)
}

// linkNextPage sets Link (RFC 8288) to the page at cursor, with the known parameters
// of r.
func linkNextPage(h http.Header, r *http.Request, known []string, cursor string) {
	values := url.Values{}
	for name, value := range query.Parse(r.URL.RawQuery, known).Values {
		values.Set(name, value)
	}
	values.Set("cursor", cursor)
	next := url.URL{Path: r.URL.Path, RawQuery: values.Encode()}
	h.Set("Link", "<"+next.String()+`>; rel="next"`)
}

// write sends a whole answer. Unless the handler sets Cache-Control, it must not be
// stored.
func write(w http.ResponseWriter, r *http.Request, status int, contentType string, text []byte) {
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) //nolint:gosec // G705: JSON or an embedded file; it fails only if the client has disconnected
	}
}

// describe sets the headers that identify the version of the product in an answer.
func describe(h http.Header, version int64) {
	h.Set("ETag", header.ETag(version))
	h.Set("Product-Version", strconv.FormatInt(version, 10))
}

// markCache sets X-Cache, for people, and Cache-Status (RFC 9211), for programs, and
// reports whether the answer comes from the cache. The detail database-unavailable
// means that PostgreSQL is unreachable: the answer is then the last acknowledged state,
// which cannot change meanwhile.
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

// markReplay tells the client that it receives the answer to an earlier request.
func markReplay(h http.Header, replayed bool) {
	if replayed {
		h.Set("Idempotent-Replayed", "true")
	}
}

// locate sets Location to path, under the prefix that the client used.
func locate(w http.ResponseWriter, r *http.Request, path string) {
	if strings.HasPrefix(r.URL.Path, apiPrefix+"/") {
		path = apiPrefix + path
	}
	w.Header().Set("Location", path)
}
