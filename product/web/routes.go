package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"vitrine/product/web/access"
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
	need    access.Need
}

// routes is the whole API. Every path answers under apiPrefix as well.
func (a *api) routes() []route {
	return []route{
		{http.MethodPost, "/products", a.createProduct, access.AnyKey},
		{http.MethodGet, "/products", a.listProducts, access.AnyKey},
		{http.MethodGet, routeProduct, a.patient(a.getProduct), access.AnyKey},
		{http.MethodPut, routeProduct, a.replaceProduct, access.AnyKey},
		{http.MethodPatch, routeProduct, a.patchProduct, access.AnyKey},
		{http.MethodDelete, routeProduct, a.deleteProduct, access.AnyKey},
		{http.MethodPost, "/products/{id}/reprocess", a.reprocessProduct, access.AnyKey},

		{http.MethodPost, "/products/{id}/images", a.addImage, access.AnyKey},
		{http.MethodGet, "/products/{id}/images/{image}", a.getImage, access.AnyKey},
		{http.MethodPatch, "/products/{id}/images/{image}", a.patchImage, access.AnyKey},
		{http.MethodDelete, "/products/{id}/images/{image}", a.deleteImage, access.AnyKey},
		{http.MethodGet, "/products/{id}/images/{image}/file", a.getImageFile, access.AnyKey},
		{http.MethodPost, "/products/{id}/images/{image}/retry", a.retryImage, access.AnyKey},
		{http.MethodGet, "/products/{id}/images/{image}/attempts", a.listAttempts, access.AnyKey},

		{http.MethodGet, "/events", a.streamEvents, access.AnyKey},
		{http.MethodPost, "/uploads", a.createUpload, access.AnyKey},

		{http.MethodPost, "/users", a.createUser, access.Admin},
		{http.MethodGet, "/users/{id}", a.getUser, access.AnyKey},
		{http.MethodPost, "/users/{id}/keys", a.createKey, access.FullKey},
		{http.MethodGet, "/users/{id}/keys", a.listKeys, access.FullKey},
		{http.MethodDelete, "/users/{id}/keys/{key}", a.revokeKey, access.FullKey},

		{http.MethodGet, "/admin/dead-letters", a.listDeadLetters, access.Admin},
		{http.MethodDelete, "/admin/dead-letters", a.deleteDeadLetters, access.Admin},
		{http.MethodDelete, "/admin/dead-letters/{id}", a.deleteDeadLetter, access.Admin},
		{http.MethodPost, "/admin/dead-letters/replay", a.startReplay, access.Admin},
		{http.MethodGet, "/admin/dead-letters/replays/{id}", a.getReplay, access.Admin},

		{http.MethodGet, "/healthz", a.healthz, access.Nothing},
		{http.MethodGet, "/readyz", a.readyz, access.Nothing},
		{http.MethodGet, "/openapi.json", a.openapi, access.Nothing},
		{http.MethodGet, "/docs", a.docs, access.Nothing},
		{http.MethodGet, "/docs/problems/{code}", a.problemDocs, access.Nothing},
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
		if err := a.serve(rt, w, r); err != nil { //nolint:contextcheck // r has the context
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

// letIn counts the request towards the rate limits and checks that its caller may use
// the route. The result has the caller in its context.
func (a *api) letIn(rt route, w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if rt.need == access.Nothing {
		return r, a.rates.Guard(w, r, nil)
	}
	var who access.Caller
	err := a.rates.Guard(w, r, func(r *http.Request) (key string, err error) {
		who, err = a.access.Check(r)
		noteCaller(r.Context(), who)
		return who.LimitedKey(), err
	})
	if err != nil {
		return nil, err
	}
	if err := rt.need.Admits(who, r.Method); err != nil {
		return nil, err
	}
	r = access.WithCaller(r, who)
	access.GuardBody(r, func() error {
		if _, err := a.access.Check(r); err != nil {
			return asProblem(r.Context(), err) // complete, so that it is not taken for an error in the body
		}
		return nil
	})
	return r, nil
}

// unrouted returns the handler of requests that no route matches. They are limited like
// others.
func (a *api) unrouted(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return a.endpoint(route{handler: h, need: access.Nothing})
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
