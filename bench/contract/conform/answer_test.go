package conform_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"vitrine/bench/contract/conform"
	"vitrine/product/web/contract"
)

const id = "23"

func load(t *testing.T) *conform.Contract {
	t.Helper()
	c, err := conform.New(contract.Load().JSON())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// user is a right answer to GET /users/{id}.
func user() conform.Answer {
	return conform.Answer{Status: 200, Header: http.Header{
		"Content-Type": {"application/json"}, "Cache-Control": {"private, no-cache"}, "X-Request-Id": {"r"}, "Date": {"today"},
	}, Body: []byte(`{"data":{"id":` + id + `,"name":"Ada","email":"a@b.example","created_at":"2026-11-22T13:33:11Z"},"message":"User retrieved successfully"}`)}
}

// missing is a right answer where there is nothing.
func missing() conform.Answer {
	return conform.Answer{Status: 404, Header: http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "X-Request-Id": {"r"},
	}, Body: []byte(`{"type":"/docs/problems/not_found","title":"t","status":404,"detail":"d","code":"not_found","request_id":"r","message":"d"}`)}
}

func TestRightAnswersPass(t *testing.T) {
	t.Parallel()
	c := load(t)
	for _, path := range []string{"/users/" + id, "/api/users/" + id} {
		if err := c.Check(http.MethodGet, path, user()); err != nil {
			t.Error(err)
		}
		if err := c.Check(http.MethodGet, path, missing()); err != nil {
			t.Error(err)
		}
		head := user()
		head.Body = nil
		if err := c.Check(http.MethodHead, path, head); err != nil {
			t.Error(err)
		}
	}
}

func TestWrongAnswersAreFound(t *testing.T) {
	t.Parallel()
	c := load(t)
	replace := func(old, text string) func(*conform.Answer) {
		return func(a *conform.Answer) { a.Body = []byte(strings.Replace(string(a.Body), old, text, 1)) }
	}
	header := func(name, value string) func(*conform.Answer) {
		return func(a *conform.Answer) {
			if a.Header.Del(name); value != "" {
				a.Header.Set(name, value)
			}
		}
	}
	for name, change := range map[string]func(*conform.Answer){
		"an undocumented status":    func(a *conform.Answer) { a.Status = 418 },
		"another success":           func(a *conform.Answer) { a.Status = 201 },
		"an undocumented member":    replace(`"name":`, `"age":7,"name":`),
		"beside data":               replace(`"message":`, `"more":1,"message":`),
		"a missing member":          replace(`"name":"Ada",`, ""),
		"a member twice":            replace(`"name":"Ada",`, `"name":"Ada","name":"Ada",`),
		"another type":              replace(`"Ada"`, "7"),
		"another id":                replace(id, "0"),
		"a time with an offset":     replace("11Z", "11+01:00"),
		"another message":           replace("retrieved", "got"),
		"no JSON":                   replace(`"data"`, "data"),
		"a missing header":          header("Cache-Control", ""),
		"another header's value":    header("Cache-Control", "max-age=7"),
		"an undocumented header":    header("X-Secret", "1"),
		"a header of another route": header("ETag", `W/"1"`),
		"another Content-Type":      header("Content-Type", "text/plain"),
		"no Content-Type":           header("Content-Type", ""),
	} {
		a := user()
		change(&a)
		if c.Check(http.MethodGet, "/users/"+id, a) == nil {
			t.Errorf("%s passes", name)
		}
	}
	for name, change := range map[string]func(*conform.Answer){
		"an unknown code":              replace(`"code":"not_found"`, `"code":"lost"`),
		"a code of another status":     replace(`"code":"not_found"`, `"code":"conflict"`),
		"a code of no operation":       replace("not_found", "no_such_route"),
		"another status in it":         replace("404", "400"),
		"another type":                 replace("/docs/problems/not_found", "/docs/problems/conflict"),
		"another request's id":         replace(`"request_id":"r"`, `"request_id":"s"`),
		"a message of its own":         replace(`"message":"d"`, `"message":"e"`),
		"a fault that is nowhere":      replace(`"message":"d"`, `"message":"d","errors":[{"code":"required","detail":"d"}]`),
		"a fault with an unknown code": replace(`"message":"d"`, `"message":"d","errors":[{"pointer":"/a","code":"odd","detail":"d"}]`),
	} {
		a := missing()
		change(&a)
		if c.Check(http.MethodGet, "/users/"+id, a) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if c.Check(http.MethodHead, "/users/"+id, user()) == nil {
		t.Error("an answer to HEAD with a body passes")
	}
}

func TestRequestsThatNoOperationTakes(t *testing.T) {
	t.Parallel()
	c := load(t)
	routing := func(status int, code string) conform.Answer {
		a := missing()
		a.Status = status
		a.Body = []byte(strings.NewReplacer("not_found", code, "404", strconv.Itoa(status)).Replace(string(a.Body)))
		return a
	}
	if err := c.Check(http.MethodGet, "/nowhere", routing(404, "no_such_route")); err != nil {
		t.Error(err)
	}
	if c.Check(http.MethodGet, "/nowhere", missing()) == nil || c.Check(http.MethodGet, "/nowhere", user()) == nil {
		t.Error("a path that is not documented has another answer than no_such_route, and that passes")
	}
	a := routing(405, "method_not_allowed")
	if c.Check(http.MethodPost, "/users/"+id, a) == nil {
		t.Error("a 405 without Allow passes")
	}
	a.Header.Set("Allow", "GET, HEAD, POST")
	if c.Check(http.MethodPost, "/users/"+id, a) == nil {
		t.Error("a 405 with another path's Allow passes")
	}
	a.Header.Set("Allow", "GET, HEAD")
	if err := c.Check(http.MethodPost, "/users/"+id, a); err != nil {
		t.Error(err)
	}
}
