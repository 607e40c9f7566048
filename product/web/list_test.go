package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product/web"
)

// names returns the names of the products on a page.
func (a answer) names() []string {
	names := []string{}
	list, _ := a.body["data"].([]any)
	for _, entry := range list {
		p, _ := entry.(map[string]any)
		name, _ := p["product_name"].(string)
		names = append(names, name)
	}
	return names
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	ada, eve := newUser(t, s), newUser(t, s)
	newListing(t, s, ada, "Red lamp", "10")
	blue := newListing(t, s, ada, "Blue lamp", "20.0005")
	newListing(t, s, eve, "100% chair", "30")
	if a := s.call(t, http.MethodPatch, "/products/"+blue, `{"external_id":"lamp-7"}`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	for query, want := range map[string][]string{
		"":                                      {"100% chair", "Blue lamp", "Red lamp"},
		"user_id=" + ada:                        {"Blue lamp", "Red lamp"},
		"user_id=" + owner:                      {},
		"external_id=lamp-7":                    {"Blue lamp"},
		"external_id=lamp-7&user_id=" + ada:     {"Blue lamp"},
		"external_id=lamp-7&user_id=" + eve:     {},
		"external_id=lamp":                      {},
		"min_price=20.0005":                     {"100% chair", "Blue lamp"},
		"min_price=20.0006":                     {"100% chair"},
		"max_price=20.0005":                     {"Blue lamp", "Red lamp"},
		"max_price=0":                           {},
		"product_name=LAMP":                     {"Blue lamp", "Red lamp"},
		"product_name=%25":                      {"100% chair"},
		"product_name=_":                        {},
		"product_name=":                         {"100% chair", "Blue lamp", "Red lamp"},
		"product_name=e&min_price=15&limit=9":   {"Blue lamp"},
		"user_id=" + eve + "&product_name=lamp": {},
		"q=lamps+-blue":                         {"Red lamp"},
		"image_status=none&sort=product_name":   {"100% chair", "Blue lamp", "Red lamp"},
		"image_status=ready":                    {},
		"sort=-product_price&limit=50":          {"100% chair", "Blue lamp", "Red lamp"},
		"sort=created_at":                       {"Red lamp", "Blue lamp", "100% chair"},
		"created_after=2026-01-31T12:00:00%2B01:00&created_before=2999-01-01T00:00:00Z": {"100% chair", "Blue lamp", "Red lamp"},
		"created_before=2026-01-31T12:00:00Z":                                           {},
	} {
		for _, prefix := range []string{"", "/api"} {
			a := s.call(t, http.MethodGet, prefix+"/products?"+query, "")
			if a.status != http.StatusOK || a.text("message") != "Products retrieved successfully" ||
				a.body["has_more"] != false || a.header.Get("Link") != "" || !strings.Contains(string(a.raw), `"next_cursor":null`) {
				t.Errorf("%q: %d %v %s", query, a.status, a.header, a.raw)
			}
			if diff := cmp.Diff(want, a.names()); diff != "" {
				t.Errorf("%q (-want +got):\n%s", query, diff)
			}
		}
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	want := []string{}
	for i := range 7 {
		name := fmt.Sprintf("a&b %d", i)
		newListing(t, s, user, name, "5")
		newListing(t, s, user, "other", "5")
		want = append(want, name)
	}
	slices.Reverse(want)
	for _, prefix := range []string{"", "/api"} {
		got, path := []string{}, prefix+"/products?limit=3&product_name=a%26b&min_price=5"
		for pages := 1; ; pages++ {
			a := s.call(t, http.MethodGet, path, "")
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.status, a.raw)
			}
			got = append(got, a.names()...)
			if a.body["has_more"] == false {
				if pages != 3 {
					t.Errorf("%d pages, want 3", pages)
				}
				break
			}
			next, ok := strings.CutSuffix(strings.TrimPrefix(a.header.Get("Link"), "<"), `>; rel="next"`)
			if !ok || !strings.HasPrefix(next, prefix+"/products?cursor=") || a.text("next_cursor") == "" {
				t.Fatalf("Link %q, next_cursor %q", a.header.Get("Link"), a.text("next_cursor"))
			}
			path = next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("all pages (-want +got):\n%s", diff)
		}
	}
}

func TestListRefusesAndNamesEveryBadParameter(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for query, want := range map[string]map[string]string{
		"limit=0&page=2&min_price=x&user_id=%00&limit=1": {"limit": "repeated_parameter", "page": "unknown_parameter", "min_price": "invalid", "user_id": "malformed_parameter"},
		"cursor=nonsense":                          {"cursor": "invalid"},
		"q=the":                                    {"q": "no_words"},
		"sort=name&image_status=done&total=yes":    {"sort": "invalid", "image_status": "invalid", "total": "invalid_boolean"},
		"min_price=2&max_price=1":                  {"max_price": "out_of_range"},
		"product_name=" + strings.Repeat("a", 201): {"product_name": "too_long"},
	} {
		a := s.call(t, http.MethodGet, "/products?"+query, "")
		wantProblem(t, a, http.StatusBadRequest, "invalid_parameters")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestListTotal(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	for range 3 {
		newListing(t, s, user, "Lamp", "5")
	}
	a := s.call(t, http.MethodGet, "/products?limit=2&total=true", "")
	if a.body["total"] != float64(3) || a.text("total_relation") != "exact" || !strings.Contains(a.header.Get("Link"), "total=true") {
		t.Errorf("%v %s", a.header, a.raw)
	}
	for _, query := range []string{"", "total=false"} {
		a = s.call(t, http.MethodGet, "/products?"+query, "")
		if _, counted := a.body["total"]; counted || a.status != http.StatusOK {
			t.Errorf("%q: %d %s", query, a.status, a.raw)
		}
	}
}

func TestListCursorOfAnotherList(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	for range 2 {
		newListing(t, s, user, "Lamp", "5")
	}
	cursor := s.call(t, http.MethodGet, "/products?limit=1&product_name=lamp", "").text("next_cursor")
	for query, want := range map[string]map[string]string{
		"product_name=lamp&sort=created_at": {"cursor": "other_sort"},
		"product_name=lam":                  {"cursor": "other_filter"},
	} {
		a := s.call(t, http.MethodGet, "/products?"+query+"&cursor="+cursor, "")
		wantProblem(t, a, http.StatusBadRequest, "invalid_parameters")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}
