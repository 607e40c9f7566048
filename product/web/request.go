package web

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/postgres"
	"vitrine/product/web/access"
	"vitrine/product/web/body"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// pathID reads {id}, the id of a product or user.
func pathID(r *http.Request) (int64, error) { return pathParameter(r, "id", body.ParseNumber) }

// pathUUID reads a UUID in the path.
func pathUUID(r *http.Request, name string) (uuid.UUID, error) {
	return pathParameter(r, name, body.ParseID)
}

// pathParameter reads an id in the path. Anything but an id is answered as not found.
// The router leaves unusual escapes in the path.
func pathParameter[T any](r *http.Request, name string, parse func(string) (T, bool)) (id T, err error) {
	text, err := url.PathUnescape(chi.URLParam(r, name))
	if err != nil {
		return id, product.ErrNotFound
	}
	id, ok := parse(text)
	if !ok {
		return id, product.ErrNotFound
	}
	return id, nil
}

// pathImage reads {id} and {image}.
func pathImage(r *http.Request) (id int64, image uuid.UUID, err error) {
	if id, err = pathID(r); err != nil {
		return 0, uuid.Nil, err
	}
	image, err = pathUUID(r, "image")
	return id, image, err
}

// readOnce reads the JSON body of a request that may have an idempotency key. Without
// the header the Idempotency is zero.
func (a *api) readOnce(w http.ResponseWriter, r *http.Request) ([]byte, postgres.Idempotency, error) {
	key, err := header.IdempotencyKey(r.Header)
	if err != nil {
		return nil, postgres.Idempotency{}, err
	}
	data, err := body.Read(w, r, body.JSON)
	if err != nil || key == "" {
		return data, postgres.Idempotency{}, err
	}
	return data, a.once(r, key, data), nil
}

// once identifies a request by its caller's key, if it has one, and its content.
func (a *api) once(r *http.Request, key string, body []byte) postgres.Idempotency {
	if key == "" {
		return postgres.Idempotency{}
	}
	return postgres.Idempotency{Owner: access.CallerOf(r).Name, Key: key, Request: requestDigest(r, body)}
}

// requestDigest returns the SHA-256 of the request's method, path and body. A route's
// two paths count as one.
func requestDigest(r *http.Request, body []byte) (digest [sha256.Size]byte) {
	h := sha256.New()
	h.Write([]byte(r.Method + " " + strings.TrimPrefix(r.URL.Path, apiPrefix) + "\n"))
	h.Write(body)
	h.Sum(digest[:0])
	return digest
}

// matchNothing is a version that no product has.
const matchNothing = -1

// precondition reads If-Match. Tags are compared by the version in them, so that a
// client can send back the weak ETag that it received: a write has to be protected from
// another state of the product, not from another message around the same state. A
// malformed header is refused, because ignoring it would leave the write unprotected.
func (a *api) precondition(r *http.Request, id int64) (product.Precondition, error) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return product.Precondition{}, nil
	}
	c, ok := header.ParseCondition(values)
	switch {
	case !ok:
		return product.Precondition{}, problem.OfHeader("If-Match", "invalid_entity_tag",
			`must be * or a list of entity tags such as "7"`)
	case c.Any: // any version: a missing product is not found later
		return product.Precondition{}, nil
	case len(c.Versions) == 0:
		return product.Precondition{Version: matchNothing}, nil
	case len(c.Versions) == 1:
		return product.Precondition{Version: c.Versions[0]}, nil
	}
	// One of several: the write is bound to the current one.
	current, err := a.Catalogue.Get(r.Context(), access.CallerOf(r).Scope, id)
	if err != nil {
		return product.Precondition{}, err
	}
	if !c.Holds(current.Version) {
		return product.Precondition{}, product.ErrPrecondition
	}
	return product.Precondition{Version: current.Version}, nil
}
