package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"vitrine/product/web"
	"vitrine/product/web/problem"
)

// page requests a page of the documentation and checks what is common to all pages.
func page(t *testing.T, s *server, path string) string {
	t.Helper()
	a := s.call(t, http.MethodGet, path, "")
	text := string(a.raw)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
	}
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(text)
	if style == nil {
		t.Fatalf("%s has no style", path)
	}
	digest := sha256.Sum256([]byte(style[1]))
	policy := a.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'") {
		t.Errorf("%s: the policy %q does not let the page's own style in", path, policy)
	}
	for _, word := range []string{"<script", "<img", "<iframe", "@import", "url(", `rel="stylesheet"`, "style=\"", "onclick"} {
		if strings.Contains(text, word) {
			t.Errorf("%s has %s", path, word)
		}
	}
	for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if strings.Contains(link[1], "//") {
			t.Errorf("%s refers to %s", path, link[1])
		}
	}
	return text
}

func TestThePageShowsTheWholeDocument(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "a token"}, web.Services{})
	for _, prefix := range []string{"", "/api"} {
		text := page(t, s, prefix+"/docs")
		for _, op := range documented.Operations {
			if !strings.Contains(text, `<span class="method `+op.Method+`">`+op.Method+`</span><code>`+op.Path+`</code>`) {
				t.Errorf("%s %s is not shown", op.Method, op.Path)
			}
			for _, p := range op.Parameters {
				if !strings.Contains(text, "<dt><code>"+p.Name+"</code>") {
					t.Errorf("%s %s: parameter %s is not shown", op.Method, op.Path, p.Name)
				}
			}
		}
		anchors := map[string]bool{}
		for _, anchor := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1) {
			if anchors[anchor[1]] {
				t.Errorf("two things have the id %s", anchor[1])
			}
			anchors[anchor[1]] = true
		}
		for _, link := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(text, -1) {
			fragment, inside := strings.CutPrefix(link[1], "#")
			switch {
			case inside && !anchors[fragment]:
				t.Errorf("%s leads nowhere", link[1])
			case !inside && link[1] != "data:," && s.call(t, http.MethodHead, prefix+"/"+link[1], "").status != http.StatusOK:
				t.Errorf("%s leads nowhere", prefix+"/"+link[1])
			}
		}
	}
}

func TestEveryProblemHasAPage(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "a token"}, web.Services{})
	for _, p := range problem.Kinds {
		text := page(t, s, problem.Path+p.Code)
		if !strings.Contains(text, "<h1>"+html.EscapeString(p.Title)+"</h1>") || !strings.Contains(text, `href="../../docs#problems"`) {
			t.Errorf("the page of %s is not about it", p.Code)
		}
	}
	for path, where := range map[string]string{
		"precondition_failed": "#patchProduct", "internal": "Every route can return this problem", "no_such_route": "no route matches",
	} {
		if !strings.Contains(page(t, s, problem.Path+path), where) {
			t.Errorf("the page of %s does not say where: %s", path, where)
		}
	}
	wantProblem(t, s.call(t, http.MethodGet, problem.Path+"unheard_of", ""), http.StatusNotFound, "not_found")
	// The type of a problem refers to its page, under the prefix too.
	a := s.call(t, http.MethodGet, "/api/products", "")
	if page := s.call(t, http.MethodGet, a.text("type"), ""); page.status != http.StatusOK {
		t.Errorf("%s answers %d", a.text("type"), page.status)
	}
}

func TestDocumentsAreRevalidated(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	for _, path := range []string{"/openapi.json", "/docs", problem.Path + "internal"} {
		first := s.call(t, http.MethodGet, path, "")
		tag := first.header.Get("ETag")
		if first.status != http.StatusOK || tag == "" || first.header.Get("Cache-Control") != "public, no-cache" {
			t.Errorf("%s: %d, %v", path, first.status, first.header)
		}
		for condition, status := range map[string]int{
			tag: 304, "W/" + tag: 304, "*": 304, `"other", ` + tag: 304, `"other"`: 200, `"a,` + tag: 304, "": 200,
		} {
			if a := s.call(t, http.MethodGet, path, "", "If-None-Match", condition); a.status != status {
				t.Errorf("%s with %s: %d, want %d", path, condition, a.status, status)
			}
		}
	}
	if a := s.call(t, http.MethodGet, "/api/openapi.json", ""); a.text("openapi") != "3.1.0" {
		t.Errorf("/api/openapi.json: %.100s", a.raw)
	}
}
