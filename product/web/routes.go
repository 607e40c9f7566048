package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// apiPrefix is the second place of every route, kept from the original system.
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

// mount puts the table into the router.
func (a *api) mount() {
	for _, rt := range a.routes() {
		handler := a.handle(rt.handler)
		if !rt.probe() { // probes must be answered when nothing else is
			handler = a.admitted(rt, a.guarded(rt))
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

// guarded is the route's handler for those whom the access rule lets in; it finds
// the caller in its request's context.
func (a *api) guarded(rt route) http.Handler {
	if rt.need == needNothing {
		return a.anybody(rt.handler)
	}
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		var who caller
		err := a.limits.guard(w, r, func(r *http.Request) (key string, err error) {
			who, err = a.access.check(r)
			noteCaller(r.Context(), who)
			return who.limited(), err
		})
		if err != nil {
			return err
		}
		if err := rt.need.admits(who, r.Method); err != nil {
			return err
		}
		r = r.WithContext(withCaller(r.Context(), who))
		r.Body = &guardedBody{r.Body, func() *problem { return a.access.denied(r) }}
		return rt.handler(w, r)
	})
}

// anybody is handle for whoever has requests left.
func (a *api) anybody(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		if err := a.limits.guard(w, r, nil); err != nil {
			return err
		}
		return h(w, r)
	})
}

// unrouted is the handler of requests that no route takes. They count like others.
func (a *api) unrouted(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return a.admitted(route{}, a.anybody(h)).ServeHTTP
}

func (a *api) notFound(http.ResponseWriter, *http.Request) error {
	return newProblem(http.StatusNotFound, "no_such_route", "there is no route at this path")
}

// methodNotAllowed answers 405 with Allow. The router also ends up here with a
// method that it has never heard of, on any path.
func (a *api) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	allowed := a.allowed(r)
	if len(allowed) == 0 {
		return a.notFound(w, r)
	}
	return newProblem(http.StatusMethodNotAllowed, "method_not_allowed",
		"this path answers "+strings.Join(allowed, ", ")).with("Allow", strings.Join(allowed, ", "))
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
