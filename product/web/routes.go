package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// apiPrefix is the second place of every route, kept from the original system.
const apiPrefix = "/api"

// route is a line of the table below.
type route struct {
	method  string // a GET serves HEAD too
	path    string
	handler func(http.ResponseWriter, *http.Request) error
	open    bool // needs no authorization
}

// routes is the whole API. Every path answers under apiPrefix as well.
func (a *api) routes() []route {
	return []route{
		{http.MethodPost, "/products", a.createProduct, false},
		{http.MethodGet, "/products", a.listProducts, false},
		{http.MethodGet, "/products/{id}", a.patient(a.getProduct), false},
		{http.MethodPatch, "/products/{id}", a.patchProduct, false},
		{http.MethodDelete, "/products/{id}", a.deleteProduct, false},

		{http.MethodPost, "/products/{id}/images/{image}/retry", a.retryImage, false},
		{http.MethodGet, "/products/{id}/images/{image}/attempts", a.listAttempts, false},

		{http.MethodGet, "/events", a.streamEvents, false},

		{http.MethodPost, "/users", a.createUser, false},
		{http.MethodGet, "/users/{id}", a.getUser, false},

		{http.MethodGet, "/admin/dead-letters", a.listDeadLetters, false},
		{http.MethodDelete, "/admin/dead-letters", a.deleteDeadLetters, false},
		{http.MethodDelete, "/admin/dead-letters/{id}", a.deleteDeadLetter, false},
		{http.MethodPost, "/admin/dead-letters/replay", a.startReplay, false},
		{http.MethodGet, "/admin/dead-letters/replays/{id}", a.getReplay, false},

		{http.MethodGet, "/healthz", a.healthz, true},
		{http.MethodGet, "/readyz", a.readyz, true},
	}
}

// mount puts the table into the router.
func (a *api) mount() {
	for _, rt := range a.routes() {
		handler := a.handle(rt.handler)
		if !rt.open {
			handler = a.authorized(rt.handler)
		}
		for _, path := range []string{rt.path, apiPrefix + rt.path} {
			a.router.Method(rt.method, path, handler)
			if rt.method == http.MethodGet {
				a.router.Method(http.MethodHead, path, handler)
			}
		}
	}
}

// handle gives a handler that returns its error the one place where it is answered.
func (a *api) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// authorized is handle for those whom the access rule lets in.
func (a *api) authorized(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		if err := a.access.check(r); err != nil {
			return err
		}
		return h(w, r)
	})
}

func (a *api) notFound(w http.ResponseWriter, r *http.Request) {
	a.fail(w, r, newProblem(http.StatusNotFound, "no_such_route", "there is no route at this path"))
}

// methodNotAllowed answers 405 with Allow. The router also ends up here with a
// method that it has never heard of, on any path.
func (a *api) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := a.allowed(r)
	if len(allowed) == 0 {
		a.notFound(w, r)
		return
	}
	a.fail(w, r, newProblem(http.StatusMethodNotAllowed, "method_not_allowed",
		"this path answers "+strings.Join(allowed, ", ")).with("Allow", strings.Join(allowed, ", ")))
}

// allowed lists the methods that the request's path answers.
func (a *api) allowed(r *http.Request) []string {
	path := r.URL.RawPath // as the router looks at it
	if path == "" {
		path = r.URL.Path
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return slices.DeleteFunc(methods, func(method string) bool {
		return !a.router.Match(chi.NewRouteContext(), method, path)
	})
}
