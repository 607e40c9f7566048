package web

import (
	"context"
	"net/http"
	"time"

	"vitrine/product"
	"vitrine/product/web/access"
	"vitrine/product/web/admission"
	"vitrine/product/web/header"
	"vitrine/product/web/query"
)

// revalidate lets a client keep an answer but not use it without asking: a write must
// show on the next read.
const revalidate = "private, no-cache"

func (a *api) getProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	version, err := header.MinVersion(r.Header)
	if err != nil {
		return err
	}
	current, err := a.current(w, r, id, version)
	if err != nil {
		return err
	}
	h, message := w.Header(), "Product retrieved from database"
	describe(h, current.Version)
	h.Set("Cache-Control", revalidate)
	if markCache(h, current.Source) {
		message = "Product retrieved from cache"
	}
	if header.NotModified(r, current.Version) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	send(w, r, http.StatusOK, current.Data, message)
	return nil
}

func (a *api) listProducts(w http.ResponseWriter, r *http.Request) error {
	filter, err := query.Products(r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.Catalogue.List(r.Context(), access.CallerOf(r).Scope, filter)
	if err != nil {
		return query.Error(err)
	}
	w.Header().Set("Cache-Control", revalidate)
	sendPage(w, r, query.ProductNames, page, "Products retrieved successfully")
	return nil
}

type waitKey struct{}

// patient lets a route hold its answer back for as long as the client's Prefer header
// allows, in addition to the time that every request has.
func (a *api) patient(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		wait := header.PreferredWait(r.Header.Values("Prefer"))
		user := access.CallerOf(r).User()
		if wait == 0 || a.stopping() || !a.waiting.Take(user) {
			return h(w, r)
		}
		defer a.waiting.Return(user)
		admission.Release(r.Context())
		r, done := outlast(w, r.WithContext(context.WithValue(r.Context(), waitKey{}, wait)), wait+a.timeout)
		defer done()
		if err := h(w, r); err != nil {
			a.fail(w, r, err) // with the deadline of this request
		}
		return nil
	}
}

// current returns the product that a GET answers with, in a version that is not older
// than version. If the client waits, it returns when the images have settled and the
// client does not have the product yet, or when the time is over.
func (a *api) current(w http.ResponseWriter, r *http.Request, id, version int64) (product.Snapshot, error) {
	wait, ok := r.Context().Value(waitKey{}).(time.Duration)
	if !ok {
		return a.Catalogue.GetAtLeast(r.Context(), access.CallerOf(r).Scope, id, version)
	}
	known, _ := header.ParseCondition(r.Header.Values("If-None-Match"))
	current, err := a.Catalogue.Await(r.Context(), access.CallerOf(r).Scope, id, wait, a.stop, func(s product.Snapshot) bool {
		return s.Version >= version && s.Settled() && (known.Any || !known.Holds(s.Version))
	})
	if err == nil && current.Version < version {
		current, err = a.Catalogue.GetAtLeast(r.Context(), access.CallerOf(r).Scope, id, version)
	}
	if err == nil {
		_, err = a.access.Check(r) // the key may have expired meanwhile
	}
	if err == nil && !a.stopping() {
		header.SetPreferenceApplied(w.Header(), wait)
	}
	return current, err
}
