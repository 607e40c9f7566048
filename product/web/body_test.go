package web_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"vitrine/product/web"
)

func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	const ok = "trailing_data" // the body was decoded
	for _, c := range []struct{ method, path, contentType, code string }{
		{"POST", "/products", "application/json", ok},
		{"POST", "/users", "APPLICATION/JSON; charset=UTF-8", ok},
		{"POST", "/products", "application/merge-patch+json", "unsupported_media_type"},
		{"POST", "/products", "application/json; charset=latin1", "unsupported_media_type"},
		{"POST", "/products", "application/json; ;", "unsupported_media_type"},
		{"POST", "/users", "text/plain", "unsupported_media_type"},
		{"POST", "/products", "application/x-www-form-urlencoded", "unsupported_media_type"},
		{"POST", "/products", "", "unsupported_media_type"},
		{"PATCH", "/products/" + owner, "application/json", ok},
		{"PATCH", "/products/" + owner, "application/merge-patch+json", ok},
		{"PATCH", "/products/" + owner, "application/json-patch+json", "unsupported_media_type"},
	} {
		a := s.call(t, c.method, c.path, "{} {}", "Content-Type", c.contentType)
		if c.code == ok {
			wantProblem(t, a, http.StatusBadRequest, ok)
			continue
		}
		wantProblem(t, a, http.StatusUnsupportedMediaType, c.code)
		if !strings.Contains(a.header.Get("Accept"), "application/json") {
			t.Errorf("%s %s: Accept is %q", c.method, c.contentType, a.header.Get("Accept"))
		}
		if patch := a.header.Get("Accept-Patch"); (c.method == "PATCH") != strings.Contains(patch, "merge-patch") {
			t.Errorf("%s: Accept-Patch is %q", c.method, patch)
		}
	}
	a := s.call(t, http.MethodPost, "/products", "{}", "Content-Encoding", "gzip")
	wantProblem(t, a, http.StatusUnsupportedMediaType, "unsupported_content_encoding")
	if a.header.Get("Accept-Encoding") != "identity" {
		t.Errorf("Accept-Encoding is %q", a.header.Get("Accept-Encoding"))
	}
}

func TestBodySizes(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	const limit = 1 << 20
	for name, c := range map[string]struct {
		size    int
		chunked bool
		status  int
		code    string
	}{
		"as large as may be":          {limit, false, 422, "validation_failed"},
		"as large as may be, chunked": {limit, true, 422, "validation_failed"},
		"a byte more":                 {limit + 1, false, 413, "body_too_large"},
		"a byte more, chunked":        {limit + 1, true, 413, "body_too_large"},
		// net/http itself reads a little more, so that a client that is still sending gets the response.
		"100 KiB more, chunked": {limit + 100<<10, true, 413, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := append([]byte("{}"), bytes.Repeat([]byte(" "), c.size-2)...)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/products", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if c.chunked {
				req.ContentLength = -1
			}
			// A client that sends Expect: 100-continue need not send a body that is rejected.
			req.Header.Set("Expect", "100-continue")
			wantProblem(t, s.do(t, req), c.status, c.code)
		})
	}
}
