package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product/web"
)

// Bodies of a product and of a user.
func lamp(user string) string {
	return `{"user_id":` + user + `,"product_name":"Lamp <&>","product_price":12.50,"product_images":["http://img.example/1.jpg"]}`
}

const eve = `{"name":"Eve <&>","email":"eve@example.org"}`

// names returns the names of all products.
func names(t *testing.T, s *server) []any {
	t.Helper()
	list, _ := s.call(t, http.MethodGet, "/products?limit=100", "").body["data"].([]any)
	found := []any{}
	for _, entry := range list {
		p, _ := entry.(map[string]any)
		found = append(found, p["product_name"])
	}
	return found
}

func TestIdempotentReplayIsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for path, body := range map[string]string{"/products": lamp(newUser(t, s)), "/users": eve} {
		key := "key-of" + path
		first := s.call(t, http.MethodPost, path, body, "Idempotency-Key", key)
		if first.status != http.StatusCreated || first.header.Get("Idempotent-Replayed") != "" {
			t.Fatalf("%s: %d %v %s", path, first.status, first.header, first.raw)
		}
		again := s.call(t, http.MethodPost, path, body, "Idempotency-Key", `"`+key+`"`)
		if again.status != first.status || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s again: %d, Idempotent-Replayed %q", path, again.status, again.header.Get("Idempotent-Replayed"))
		}
		for _, name := range []string{"X-Request-Id", "Date", "Idempotent-Replayed"} {
			first.header.Del(name)
			again.header.Del(name)
		}
		if diff := cmp.Diff(first.header, again.header); diff != "" {
			t.Errorf("%s: the headers differ (-first +again):\n%s", path, diff)
		}
		if diff := cmp.Diff(string(first.raw), string(again.raw)); diff != "" {
			t.Errorf("%s: the bodies differ (-first +again):\n%s", path, diff)
		}
		// The same route under its other path.
		under := s.call(t, http.MethodPost, "/api"+path, body, "Idempotency-Key", key)
		if want := "/api" + first.header.Get("Location"); under.header.Get("Location") != want || string(under.raw) != string(first.raw) {
			t.Errorf("/api%s: %d, Location %q, want %q", path, under.status, under.header.Get("Location"), want)
		}
	}
	if got := names(t, s); len(got) != 1 {
		t.Errorf("products %v", got)
	}
}

func TestIdempotentReplayAfterAChange(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	body := lamp(newUser(t, s))
	first := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	at := first.header.Get("Location")
	if a := s.call(t, http.MethodPatch, at, `{"product_name":"Torch"}`); a.header.Get("Product-Version") != "2" {
		t.Fatalf("patch: %d %s", a.status, a.raw)
	}
	again := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	if again.header.Get("ETag") != `W/"1"` || again.header.Get("Product-Version") != "1" || string(again.raw) != string(first.raw) {
		t.Errorf("%d %v %s", again.status, again.header, again.raw)
	}
	if a := s.call(t, http.MethodGet, at, ""); a.header.Get("Product-Version") != "2" || a.data()["product_name"] != "Torch" {
		t.Errorf("read after the replay: %s", a.raw)
	}
}

func TestIdempotencyKeySyntax(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	body := lamp(newUser(t, s))
	// Every request with the key k gets the product that the first one made.
	first := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", `k\"x`)
	for value, same := range map[string]bool{
		`"k\\\"x"`:                           true,
		` k\"x	`:                             true, // blanks around a value are not part of it
		`"k"`:                                false,
		`a`:                                  false,
		`K"'(),/:;<=>?@[]{}~!`:               false,
		uuid.NewString():                     false,
		strings.Repeat("a", 255):             false,
		`"` + strings.Repeat("b", 255) + `"`: false,
	} {
		a := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", value)
		if a.status != http.StatusCreated || (a.header.Get("Location") == first.header.Get("Location")) != same {
			t.Errorf("%q: %d %s", value, a.status, a.raw)
		}
	}
	for _, values := range [][]string{
		{""}, {`""`}, {`"`}, {`"a`}, {`"a" `, `"a"`}, {`"a"b`}, {`"a"; p=1`}, {`"a", "b"`}, {`"a\b"`}, {`"a\`}, {`"a b"`},
		{"a b"}, {"a\tb"}, {"ä"}, {"\"\xff\""}, {"a", "b"}, {"a", "a"}, {strings.Repeat("a", 256)}, {`"` + strings.Repeat("a", 256) + `"`},
	} {
		for path, body := range map[string]string{"/products": body, "/users": eve} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": values}
			a := s.do(t, req)
			wantProblem(t, a, http.StatusBadRequest, "invalid_idempotency_key")
			if diff := cmp.Diff(map[string]string{"Idempotency-Key": "invalid_idempotency_key"}, a.faults()); diff != "" {
				t.Errorf("%s %q:\n%s", path, values, diff)
			}
		}
	}
	if got := names(t, s); len(got) != 7 {
		t.Errorf("%d products", len(got))
	}
}

func TestIdempotencyKeyOfAnotherRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	body := lamp(newUser(t, s))
	first := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	for name, other := range map[string][2]string{
		"another name": {"/products", strings.Replace(body, "Lamp", "Torch", 1)},
		"other bytes":  {"/products", body + "\n"},
		"other route":  {"/users", eve},
	} {
		a := s.call(t, http.MethodPost, other[0], other[1], "Idempotency-Key", "k")
		wantProblem(t, a, http.StatusUnprocessableEntity, "idempotency_key_reused")
		if diff := cmp.Diff(map[string]string{"Idempotency-Key": "idempotency_key_reused"}, a.faults()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if a := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k"); string(a.raw) != string(first.raw) {
		t.Errorf("the first request again: %d %s", a.status, a.raw)
	}
	if got := names(t, s); len(got) != 1 {
		t.Errorf("products %v", got)
	}
}

func TestIdempotencyKeyOfARefusedRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	body := lamp(newUser(t, s))
	for _, bad := range []string{`{`, `{}`, lamp(owner), strings.Replace(body, "12.50", "-1", 1)} {
		if a := s.call(t, http.MethodPost, "/products", bad, "Idempotency-Key", "k"); a.status != 400 && a.status != 422 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	a := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	if a.status != http.StatusCreated || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the corrected request: %d %s", a.status, a.raw)
	}
}

func TestIdempotencyKeysOfTwoCallers(t *testing.T) {
	t.Parallel()
	service := newService(t)
	open, closed := serve(t, web.Config{}, service), serve(t, web.Config{AdminToken: "s3cret"}, service)
	body := lamp(newUser(t, open))
	a := open.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	b := closed.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k", "Authorization", "Bearer s3cret")
	if a.status != http.StatusCreated || b.status != http.StatusCreated || a.data()["id"] == b.data()["id"] {
		t.Errorf("%d %s, %d %s", a.status, a.raw, b.status, b.raw)
	}
}

func TestIdempotentHundredAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	body := lamp(newUser(t, s))
	answers := make([]answer, 100)
	var calls sync.WaitGroup
	for i := range answers {
		calls.Go(func() {
			for first := true; first || answers[i].text("code") == "overloaded"; first = false { // a busy machine may shed some
				answers[i] = s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
			}
		})
	}
	calls.Wait()
	last := s.call(t, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	if last.status != http.StatusCreated || last.header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("afterwards: %d %v %s", last.status, last.header, last.raw)
	}
	originals := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusConflict:
			wantProblem(t, a, http.StatusConflict, "idempotency_in_progress")
		case a.status != http.StatusCreated || string(a.raw) != string(last.raw):
			t.Errorf("%d %s", a.status, a.raw)
		case a.header.Get("Idempotent-Replayed") == "":
			originals++
		}
	}
	if got := names(t, s); len(got) != 1 || originals != 1 {
		t.Errorf("products %v, made by %d requests", got, originals)
	}
}

// A client can repeat a request whose COMMIT was interrupted, with the same result.
func TestIdempotentAnswerLost(t *testing.T) {
	t.Parallel()
	direct := testenv.DSN(t)
	dsn, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	proxy, query := testenv.NewProxy(t, dsn.Host), dsn.Query()
	query.Set("lock_timeout", "60000") // longer than the test holds the COMMIT up
	query.Set("statement_timeout", "60000")
	dsn.Host, dsn.RawQuery = proxy.Addr, query.Encode()
	s := serve(t, web.Config{}, newServices(testenv.Open(t, dsn.String()), newCache(t), objectURL))
	for path, body := range map[string]string{"products": lamp(newUser(t, s)), "users": eve} {
		gate := testenv.HoldCommits(t, direct, path)
		post := func() answer { return s.call(t, http.MethodPost, "/"+path, body, "Idempotency-Key", "k-"+path) }
		first := make(chan answer, 1)
		go func() { first <- post() }()
		gate.Await()
		proxy.Cut()
		a := <-first
		wantProblem(t, a, http.StatusServiceUnavailable, "unavailable")
		if a.header.Get("Retry-After") != "1" {
			t.Errorf("503: Retry-After is %q", a.header.Get("Retry-After"))
		}
		a = post()
		wantProblem(t, a, http.StatusConflict, "idempotency_in_progress")
		if a.header.Get("Retry-After") != "1" || fmt.Sprint(a.faults()) != "map[Idempotency-Key:idempotency_in_progress]" {
			t.Errorf("409: Retry-After is %q, errors %v", a.header.Get("Retry-After"), a.faults())
		}
		gate.Open()
		testenv.Eventually(t, "the first request is over", func() bool {
			a = post()
			return a.status != http.StatusConflict
		})
		if a.status != http.StatusCreated || a.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("repeated: %d %v %s", a.status, a.header, a.raw)
		}
		if got := s.call(t, http.MethodGet, a.header.Get("Location"), ""); got.status != http.StatusOK || got.data()["id"] != a.data()["id"] {
			t.Errorf("what the replay names: %d %s", got.status, got.raw)
		}
	}
	if got := names(t, s); len(got) != 1 {
		t.Errorf("products %v", got)
	}
}
