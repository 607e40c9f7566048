package web

import (
	"context"
	"net/http"
	"time"

	"vitrine/product"
)

type waitKey struct{}

// patient lets a route hold its answer for as long as the client's Prefer header
// says, and gives it that time on top of the one that every request has.
func (a *api) patient(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		wait := preferredWait(r.Header.Values("Prefer"))
		who := callerOf(r.Context())
		if wait == 0 || a.stopping() || !a.waiting.take(who) {
			return h(w, r)
		}
		defer a.waiting.free(who)
		leavePlace(r.Context())
		r, done := outlast(w, r.WithContext(context.WithValue(r.Context(), waitKey{}, wait)), wait+a.timeout)
		defer done()
		if err := h(w, r); err != nil {
			a.fail(w, r, err) // here, where the request's deadline is known
		}
		return nil
	}
}

// current gives the product that a GET answers with. Where the client waits, that
// is when its images have settled and the client does not have the product yet, or
// when its time is over. It is not older than version.
func (a *api) current(w http.ResponseWriter, r *http.Request, id int64, version int64) (product.Snapshot, error) {
	wait, ok := r.Context().Value(waitKey{}).(time.Duration)
	if !ok {
		return a.service.GetAtLeast(r.Context(), a.access.scope(r), id, version)
	}
	known, _ := parseCondition(r.Header.Values("If-None-Match"))
	current, err := a.service.Await(r.Context(), a.access.scope(r), id, wait, a.stop, func(s product.Snapshot) bool {
		return s.Version >= version && s.Settled() && (known.any || !known.holds(s.Version))
	})
	if err == nil && current.Version < version {
		current, err = a.service.GetAtLeast(r.Context(), a.access.scope(r), id, version)
	}
	if err == nil {
		_, err = a.access.check(r) // a key may have ended meanwhile
	}
	if err == nil && !a.stopping() {
		prefer(w.Header(), wait)
	}
	return current, err
}

// stopping reports that the process is about to end: nobody is to be kept.
func (a *api) stopping() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}
