package web_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product/web"
)

func TestUnknownRoutesAndMethods(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/api", 404, ""},
		{"GET", "/api/", 404, ""},
		{"GET", "/api/api/healthz", 404, ""},
		{"GET", "//healthz", 404, ""},
		{"GET", "/healthz/", 404, ""},
		{"GET", "/Products", 404, ""},
		{"GET", "/products/a/b", 404, ""},
		{"GET", "/../healthz", 404, ""},
		{"GET", "/%2e%2e/etc/passwd", 404, ""},
		{"GET", "/%00", 404, ""},
		{"BREW", "/nowhere", 404, ""},
		{"OPTIONS", "/nowhere", 404, ""},
		{"PUT", "/products", 405, "GET, HEAD, POST"},
		{"DELETE", "/products", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/products", 405, "GET, HEAD, POST"},
		{"TRACE", "/products", 405, "GET, HEAD, POST"},
		{"BREW", "/products", 405, "GET, HEAD, POST"},
		{"POST", "/products/1", 405, "GET, HEAD, PUT, PATCH, DELETE"},
		{"BREW", "/products/%00", 405, "GET, HEAD, PUT, PATCH, DELETE"},
		{"GET", "/users", 405, "POST"},
		{"PATCH", "/users/1", 405, "GET, HEAD"},
		{"POST", "/healthz", 405, "GET, HEAD"},
		{"DELETE", "/readyz", 405, "GET, HEAD"},
	} {
		for _, prefix := range []string{"", "/api"} {
			if c.path == "/" && prefix != "" {
				continue
			}
			a := s.call(t, c.method, prefix+c.path, "")
			code := map[int]string{404: "no_such_route", 405: "method_not_allowed"}[c.status]
			t.Logf("%s %s", c.method, prefix+c.path)
			wantProblem(t, a, c.status, code)
			if got := a.header.Get("Allow"); got != c.allow {
				t.Errorf("%s %s: Allow is %q, want %q", c.method, prefix+c.path, got, c.allow)
			}
		}
	}
}

func TestHeadHasHeadersOfGetAndNoBody(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	for _, path := range []string{"/healthz", "/readyz", "/api/healthz", "/nowhere", "/products/x"} {
		get, head := s.call(t, http.MethodGet, path, ""), s.call(t, http.MethodHead, path, "")
		if get.status != head.status || len(head.raw) != 0 {
			t.Errorf("%s: GET %d, HEAD %d with %d bytes", path, get.status, head.status, len(head.raw))
		}
		for _, h := range []http.Header{get.header, head.header} {
			h.Del("Date")
			h.Del("X-Request-Id")
		}
		if diff := cmp.Diff(get.header, head.header); diff != "" {
			t.Errorf("%s: headers (-GET +HEAD):\n%s", path, diff)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "secret"}, web.Services{})
	for _, path := range []string{"/healthz", "/nowhere", "/products"} {
		h := s.call(t, http.MethodGet, path, "").header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers are %v", path, h)
		}
	}
}
