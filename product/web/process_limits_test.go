package web_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"vitrine/product/web"
)

// request is one that a limit lets pass or not.
type request struct {
	method, path, body string
	headers            []string
}

func post(path, format string, args ...any) request {
	return request{http.MethodPost, path, fmt.Sprintf(format, args...), nil}
}

func list(query string) request { return request{http.MethodGet, "/products?" + query, "", nil} }

// TestLimitsPage checks the rows of docs/limits.md: a request at a limit is accepted,
// and one beyond it gets the answer that the row names.
func TestLimitsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	x := strings.Repeat
	product := func(members string) request {
		return post("/products", `{"user_id":%s,%s}`, user, members)
	}
	named := func(name string) request { return product(`"product_name":"` + name + `","product_price":1`) }
	with := func(member, value string) request {
		return product(`"product_name":"Lamp","product_price":1,"` + member + `":` + value)
	}
	priced := func(price string) request { return product(`"product_name":"Lamp","product_price":` + price) }
	urls := func(n int) request {
		return with("product_images", `["http://a.example/1"`+x(`,"http://a.example/1"`, n-1)+`]`)
	}
	url := func(bytes int) request {
		return with("product_images", `["http://a.example/`+x("a", bytes-len("http://a.example/"))+`"]`)
	}
	email := func(local, all int) request {
		return post("/users", `{"name":"Ada","email":"%s@%s"}`, x("a", local), x("b", all-local-1))
	}
	header := func(name, value string) request {
		return request{http.MethodPost, "/users", `{"name":"Ada","email":"` + fmt.Sprint(len(value)) + `@example.org"}`, []string{name, value}}
	}
	lines := func(n int) request {
		r := list("limit=1")
		for i := range n {
			r.headers = append(r.headers, fmt.Sprint("X-", i/2), "x") // the same name twice makes two lines
		}
		return r
	}
	for row, c := range map[string]struct {
		at, beyond request
		status     int
		code       string
	}{
		"body | 1 MiB": {
			padded(post("/users", `{"name":"Ada","email":"padded@example.org"}`), 1<<20), padded(post("/users", "{}"), 1<<20+1), 413, "body_too_large",
		},
		"arrays and objects in a body | 32 deep": {
			with("x", x("[", 31)+x("]", 31)), with("x", x("[", 32)+x("]", 32)), 400, "nesting_too_deep",
		},
		"`product_name`, a user's `name` | 200 characters": {named(x("é", 200)), named(x("é", 201)), 422, "too_long"},
		"`product_description` | 10,000 characters": {
			with("product_description", `"`+x("é", 10_000)+`"`), with("product_description", `"`+x("é", 10_001)+`"`), 422, "too_long",
		},
		"`product_price` | 999999999999.9999":  {priced("999999999999.9999"), priced("1000000000000"), 422, "out_of_range"},
		"`product_price` | 4 decimals":         {priced("0.0001"), priced("0.00001"), 422, "too_precise"},
		"`product_images` | 20":                {urls(20), urls(21), 422, "too_many"},
		"URL of an image | 2,048 bytes":        {url(2048), url(2049), 422, "too_long"},
		"`external_id` | 128 characters":       {with("external_id", `"`+x("é", 128)+`"`), with("external_id", `"`+x("é", 129)+`"`), 422, "too_long"},
		"`email` | 254 bytes, 64 before the @": {email(64, 254), email(64, 255), 422, "too_long"},
		"`limit` of a list | 100":              {list("limit=100"), list("limit=101"), 400, "invalid_limit"},
		"`product_name` in a query | 200 characters": {
			list("product_name=" + x("a", 200)), list("product_name=" + x("a", 201)), 400, "too_long",
		},
		"`Idempotency-Key` | 255 characters": {
			header("Idempotency-Key", x("k", 255)), header("Idempotency-Key", x("k", 256)), 400, "invalid_idempotency_key",
		},
		"header and request line | 32 KiB": {header("X-Long", x("x", 32_000)), header("X-Long", x("x", 37_000)), 431, ""},
		"header lines | 100":               {lines(100), lines(101), 431, "too_many_headers"},
	} {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			answer := fmt.Sprint(c.status)
			if c.code != "" {
				answer += " `" + c.code + "`"
			}
			if !strings.Contains(string(page), "| "+row+" | "+answer) {
				t.Errorf("docs/limits.md has no row %q with %s", row, answer)
			}
			// A body of the deepest nesting has no field that would take it, so it gets further and no more.
			status, body := c.at.send(t, s)
			if status >= 400 && !strings.Contains(body, `{"pointer":"/x","code":"unknown_field"`) {
				t.Errorf("at the limit: %d %.300s", status, body)
			}
			status, body = c.beyond.send(t, s)
			if status != c.status || !strings.Contains(body, c.code) {
				t.Errorf("beyond it: %d %.300s, want %d %s", status, body, c.status, c.code)
			}
		})
	}
}

// padded returns r with blanks behind its body, bytes in all.
func padded(r request, bytes int) request {
	r.body += strings.Repeat(" ", bytes-len(r.body))
	return r
}

// send sends the request as bytes of a connection of its own: an answer may come
// before the request is whole, which clients take for an error.
func (r request) send(t *testing.T, s *server) (status int, body string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: a\r\n", r.method, r.path)
	if r.body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(r.body))
	}
	for i := 0; i < len(r.headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", r.headers[i], r.headers[i+1])
	}
	head := b.String() + "\r\n"
	if len(r.body) > 1<<20 {
		return raw(t, s, head) // it is refused for what it announces
	}
	return raw(t, s, head+r.body)
}
