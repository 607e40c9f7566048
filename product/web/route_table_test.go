package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/product/web"
)

// The router has no routes besides those of the table.
func TestNothingIsMountedBesidesTheTable(t *testing.T) {
	t.Parallel()
	table := map[string]bool{}
	for _, v := range web.Routes() {
		for _, prefix := range []string{"", "/api"} {
			table[v.Method+" "+prefix+v.Path] = true
			if v.Method == http.MethodGet {
				table[http.MethodHead+" "+prefix+v.Path] = true
			}
		}
	}
	router, ok := web.New(web.Config{}, web.Services{}, testenv.Quiet(), nil).(chi.Routes)
	if !ok {
		t.Fatal("the API is no router")
	}
	mounted := 0
	err := chi.Walk(router, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if mounted++; !table[method+" "+path] {
			t.Errorf("%s %s is not in the table", method, path)
		}
		return nil
	})
	if err != nil || mounted != len(table) {
		t.Errorf("%d of %d are mounted, %v", mounted, len(table), err)
	}
}

// The routes without a key, and those that are not for users, are exactly these. The walks rely
// on the table.
func TestTableLetsIn(t *testing.T) {
	t.Parallel()
	var open []string
	for _, rt := range web.Routes() {
		if rt.Open {
			open = append(open, rt.Method+" "+rt.Path)
		}
		wantAdmin := strings.HasPrefix(rt.Path, "/admin/") || rt.Method == http.MethodPost && rt.Path == "/users"
		if rt.Admin != wantAdmin {
			t.Errorf("%s %s: only for the administrator is %t", rt.Method, rt.Path, rt.Admin)
		}
	}
	if diff := cmp.Diff([]string{"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /docs", "GET /docs/problems/{code}"}, open); diff != "" {
		t.Errorf("open to everybody: %s", diff)
	}
}
