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
	"vitrine/product/web/contract"
)

// document is an answer that is the same for everybody until the next release.
type document struct {
	body        []byte
	contentType string
	etag        string // strong: the digest of the body
}

// published are the contract and its pages, made once.
type published struct {
	openapi, overview document
	problems          map[string]document // by code
}

var publish = sync.OnceValue(func() published {
	doc := contract.Load()
	p := published{
		openapi:  newDocument(doc.JSON(), typeJSON),
		overview: newDocument(doc.Page(), typeHTML),
		problems: map[string]document{},
	}
	for _, problem := range contract.Problems {
		p.problems[problem.Code] = newDocument(doc.ProblemPage(problem.Code), typeHTML)
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

// serve answers with the document, or says that the client has it already. Anybody
// may keep it, and asks each time whether it still is the current one, since a
// release may change it at any moment.
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

// known reports whether the tags are "*" or have this document's, weak or strong
// (RFC 9110, section 13.1.2). The tag has no comma, so a tag of somebody else's
// that has one cannot be taken for it.
func (d document) known(tags []string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(tags, ","), ","), func(tag string) bool {
		tag = strings.TrimSpace(tag)
		return tag == "*" || strings.TrimPrefix(tag, "W/") == d.etag
	})
}
