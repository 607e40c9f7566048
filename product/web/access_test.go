package web_test

import (
	"net/http"
	"strings"
	"testing"

	"vitrine/product/web"
)

func TestAdminTokenGuardsEveryRouteButHealth(t *testing.T) {
	t.Parallel()
	const token = "a token, with blanks"
	s := serve(t, web.Config{AdminToken: token}, web.Services{})
	for _, route := range []string{
		"POST /products", "GET /products", "HEAD /products", "GET /products/" + owner, "PATCH /products/" + owner,
		"PUT /products/" + owner, "DELETE /products/" + owner, "POST /users", "GET /users/" + owner, "GET /products/nothing",
	} {
		method, path, _ := strings.Cut(route, " ")
		for _, prefix := range []string{"", "/api"} {
			a := s.call(t, method, prefix+path, "")
			if a.status != http.StatusUnauthorized || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s: got %d, WWW-Authenticate %q", route, a.status, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/healthz", "/api/readyz"} {
		if a := s.call(t, http.MethodGet, path, ""); a.status != http.StatusOK {
			t.Errorf("%s: got %d", path, a.status)
		}
	}
}

func TestBearerToken(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "s3cret"}, web.Services{})
	for header, code := range map[string]string{
		"Bearer s3cret":    "not_found", // the token is accepted; the id is not a number
		"bearer  s3cret ":  "not_found",
		"Bearer":           "unauthorized",
		"Bearer ":          "unauthorized",
		"s3cret":           "unauthorized",
		"Basic s3cret":     "unauthorized",
		"Bearer S3cret":    "invalid_token",
		"Bearer s3cre":     "invalid_token",
		"Bearer s3cret2":   "invalid_token",
		"Bearer s3cret, x": "invalid_token",
	} {
		a := s.call(t, http.MethodGet, "/products/x", "", "Authorization", header)
		wantProblem(t, a, map[bool]int{true: 404, false: 401}[code == "not_found"], code)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/products/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer wrong", "Bearer s3cret"}
	wantProblem(t, s.do(t, req), http.StatusUnauthorized, "unauthorized")
}

func TestWithoutTokenTheAPIIsOpen(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	wantProblem(t, s.call(t, http.MethodGet, "/products/x", ""), http.StatusNotFound, "not_found")
	wantProblem(t, s.call(t, http.MethodGet, "/products/x", "", "Authorization", "Bearer any"), http.StatusNotFound, "not_found")
}
