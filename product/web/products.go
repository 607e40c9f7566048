package web

import (
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"vitrine/product"
)

// revalidate lets a client keep an answer but not use it unasked: a write must
// show on the very next read.
const revalidate = "private, no-cache"

func (a *api) createProduct(w http.ResponseWriter, r *http.Request) error {
	body, once, err := a.readOnce(w, r)
	if err != nil {
		return err
	}
	input, err := decodeNewProduct(body, a.access.scope(r))
	if err != nil {
		return err
	}
	created, replayed, err := a.service.CreateOnce(r.Context(), a.access.scope(r), input, once)
	if err != nil {
		return err
	}
	markReplay(w.Header(), replayed)
	describe(w.Header(), created)
	locate(w, r, "/products/"+formatNumber(created.ID))
	send(w, r, http.StatusCreated, created.Data, "Product created successfully")
	return nil
}

func (a *api) getProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	version, err := minVersion(r.Header)
	if err != nil {
		return err
	}
	current, err := a.current(w, r, id, version)
	if err != nil {
		return err
	}
	h, message := w.Header(), "Product retrieved from database"
	describe(h, current)
	h.Set("Cache-Control", revalidate)
	if markCache(h, current.Source) {
		message = "Product retrieved from cache"
	}
	if notModified(r, current.Version) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	send(w, r, http.StatusOK, current.Data, message)
	return nil
}

func (a *api) listProducts(w http.ResponseWriter, r *http.Request) error {
	filter, err := parseFilter(r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.service.List(r.Context(), a.access.scope(r), filter)
	if err != nil {
		return inQuery(err)
	}
	if page.HasMore {
		w.Header().Set("Link", "<"+nextPage(r, listParameters, page.Next)+`>; rel="next"`) // RFC 8288
	}
	w.Header().Set("Cache-Control", revalidate)
	sendPage(w, r, page, "Products retrieved successfully")
	return nil
}

func (a *api) patchProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	patch, err := decodePatch(body)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	updated, err := a.service.Patch(r.Context(), a.access.scope(r), id, patch, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), updated)
	send(w, r, http.StatusOK, updated.Data, "Product updated successfully")
	return nil
}

// deleteProduct answers 200 with the envelope and not 204: clients of the
// original system read the message.
func (a *api) deleteProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	if err := a.service.Delete(r.Context(), a.access.scope(r), id, pre); err != nil {
		return err
	}
	send(w, r, http.StatusOK, []byte("null"), "Product deleted successfully")
	return nil
}

// pathID reads {id}, the id of a product or user.
func pathID(r *http.Request) (int64, error) { return pathParameter(r, "id", parseNumber) }

// pathUUID reads a UUID in the path.
func pathUUID(r *http.Request, name string) (uuid.UUID, error) {
	return pathParameter(r, name, parseID)
}

// pathParameter reads an id in the path. A text that is no id names nothing, so it is
// not found. The router passes a path with unusual escapes on undecoded.
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
