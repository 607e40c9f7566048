package web

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"vitrine/product"
	"vitrine/product/web/body"
	"vitrine/product/web/contract"
	"vitrine/product/web/problem"
)

// document is an answer that does not change until the next release.
type document struct {
	body        []byte
	contentType string
	etag        string // strong: the digest of the body
}

// published are the OpenAPI document and its pages, rendered once.
type published struct {
	openapi, overview document
	problems          map[string]document // by code
}

var publish = sync.OnceValue(func() published {
	doc := contract.Load()
	p := published{
		openapi:  newDocument(doc.JSON(), body.JSON),
		overview: newDocument(doc.Page(), typeHTML),
		problems: map[string]document{},
	}
	for _, kind := range problem.Kinds {
		p.problems[kind.Code] = newDocument(doc.ProblemPage(kind.Code), typeHTML)
	}
	return p
})

const typeHTML = "text/html; charset=utf-8"

func newDocument(body []byte, contentType string) document {
	digest := sha256.Sum256(body)
	return document{body, contentType, `"` + base64.RawURLEncoding.EncodeToString(digest[:16]) + `"`}
}

func (a *api) openapi(w http.ResponseWriter, r *http.Request) error {
	publish().openapi.serve(w, r)
	return nil
}

func (a *api) docs(w http.ResponseWriter, r *http.Request) error {
	publish().overview.serve(w, r)
	return nil
}

func (a *api) problemDocs(w http.ResponseWriter, r *http.Request) error {
	page, known := publish().problems[chi.URLParam(r, "code")]
	if !known {
		return product.ErrNotFound
	}
	page.serve(w, r)
	return nil
}

// serve answers with the document, or with 304 if the client has it. Caches may keep it
// but have to revalidate it, because a release may change it at any time.
func (d document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", d.etag)
	h.Set("Cache-Control", "public, no-cache")
	if d.contentType == typeHTML {
		h.Set("Content-Security-Policy", contract.PagePolicy)
	}
	if d.known(r.Header.Values("If-None-Match")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, r, http.StatusOK, d.contentType, d.body)
}

// known reports whether the tags are "*" or include this document's, weak or strong
// (RFC 9110, section 13.1.2). The tag has no comma, so splitting a foreign tag at one
// cannot match it.
func (d document) known(tags []string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(tags, ","), ","), func(tag string) bool {
		tag = strings.TrimSpace(tag)
		return tag == "*" || strings.TrimPrefix(tag, "W/") == d.etag
	})
}
