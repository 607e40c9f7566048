package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"vitrine/product/web/problem"
)

// apiPrefix is a second prefix of every route, kept from the original system.
const apiPrefix = "/api"

const routeProduct = "/products/{id}"

// route is a line of the table below.
type route struct {
	method  string // a GET serves HEAD too
	path    string
	handler func(http.ResponseWriter, *http.Request) error
	need    need
}

// routes is the whole API. Every path answers under apiPrefix as well.
func (a *api) routes() []route {
	return []route{
		{http.MethodPost, "/products", a.createProduct, needKey},
		{http.MethodGet, "/products", a.listProducts, needKey},
		{http.MethodGet, routeProduct, a.patient(a.getProduct), needKey},
		{http.MethodPut, routeProduct, a.replaceProduct, needKey},
		{http.MethodPatch, routeProduct, a.patchProduct, needKey},
		{http.MethodDelete, routeProduct, a.deleteProduct, needKey},
		{http.MethodPost, "/products/{id}/reprocess", a.reprocessProduct, needKey},

		{http.MethodPost, "/products/{id}/images", a.addImage, needKey},
		{http.MethodGet, "/products/{id}/images/{image}", a.getImage, needKey},
		{http.MethodPatch, "/products/{id}/images/{image}", a.patchImage, needKey},
		{http.MethodDelete, "/products/{id}/images/{image}", a.deleteImage, needKey},
		{http.MethodGet, "/products/{id}/images/{image}/file", a.getImageFile, needKey},
		{http.MethodPost, "/products/{id}/images/{image}/retry", a.retryImage, needKey},
		{http.MethodGet, "/products/{id}/images/{image}/attempts", a.listAttempts, needKey},

		{http.MethodGet, "/events", a.streamEvents, needKey},
		{http.MethodPost, "/uploads", a.createUpload, needKey},

		{http.MethodPost, "/users", a.createUser, needAdmin},
		{http.MethodGet, "/users/{id}", a.getUser, needKey},
		{http.MethodPost, "/users/{id}/keys", a.createKey, needFullKey},
		{http.MethodGet, "/users/{id}/keys", a.listKeys, needFullKey},
		{http.MethodDelete, "/users/{id}/keys/{key}", a.revokeKey, needFullKey},

		{http.MethodGet, "/admin/dead-letters", a.listDeadLetters, needAdmin},
		{http.MethodDelete, "/admin/dead-letters", a.deleteDeadLetters, needAdmin},
		{http.MethodDelete, "/admin/dead-letters/{id}", a.deleteDeadLetter, needAdmin},
		{http.MethodPost, "/admin/dead-letters/replay", a.startReplay, needAdmin},
		{http.MethodGet, "/admin/dead-letters/replays/{id}", a.getReplay, needAdmin},

		{http.MethodGet, "/healthz", a.healthz, needNothing},
		{http.MethodGet, "/readyz", a.readyz, needNothing},
		{http.MethodGet, "/openapi.json", a.openapi, needNothing},
		{http.MethodGet, "/docs", a.docs, needNothing},
		{http.MethodGet, "/docs/problems/{code}", a.problemDocs, needNothing},
	}
}

func (rt route) probe() bool { return rt.path == routeHealth || rt.path == routeReady }

// mount adds the table to the router.
func (a *api) mount() {
	for _, rt := range a.routes() {
		handler := a.endpoint(rt)
		for _, path := range []string{rt.path, apiPrefix + rt.path} {
			a.router.Method(rt.method, path, handler)
			if rt.method == http.MethodGet {
				a.router.Method(http.MethodHead, path, handler)
			}
		}
	}
}

// endpoint returns the route's handler behind the limits of the process, the rate
// limits and the access rule. It answers every error.
func (a *api) endpoint(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := a.serve(rt, w, r); err != nil {
			a.fail(w, r, err)
		}
	}
}

func (a *api) serve(rt route, w http.ResponseWriter, r *http.Request) error {
	if rt.probe() { // has to be answered under any load
		return rt.handler(w, r)
	}
	preferred := rt.method == http.MethodGet && rt.path == routeProduct // mostly served by Redis alone
	r, done, err := a.requests.Admit(r, preferred)
	if err != nil {
		return err
	}
	defer done()
	if r, err = a.letIn(rt, w, r); err != nil {
		return err
	}
	return rt.handler(w, r)
}

// unrouted returns the handler of requests that no route matches. They are limited like
// others.
func (a *api) unrouted(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return a.endpoint(route{handler: h, need: needNothing})
}

func (a *api) notFound(http.ResponseWriter, *http.Request) error {
	return problem.New("no_such_route", "no route matches this path")
}

// methodNotAllowed answers 405 with Allow. The router also calls it for methods that it
// does not know, on any path.
func (a *api) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	allowed := a.allowed(r)
	if len(allowed) == 0 {
		return a.notFound(w, r)
	}
	return problem.New("method_not_allowed",
		"this path accepts "+strings.Join(allowed, ", ")).With("Allow", strings.Join(allowed, ", "))
}

// allowed returns the methods that the request's path accepts.
func (a *api) allowed(r *http.Request) []string {
	path := r.URL.RawPath // which the router matches
	if path == "" {
		path = r.URL.Path
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return slices.DeleteFunc(methods, func(method string) bool {
		return !a.router.Match(chi.NewRouteContext(), method, path)
	})
}
