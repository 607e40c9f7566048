package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/bench/testenv"
	"vitrine/product/web"
	"vitrine/product/web/admission"
)

// open sends the beginning of a request over a new connection, which stays open until the test
// ends.
func open(t *testing.T, s *server, beginning string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Fatal(err)
	}
	return conn
}

// slowPost begins a request whose body never ends.
func slowPost(sent int) string {
	return fmt.Sprintf("POST /users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		1<<20, strings.Repeat(" ", sent))
}

// gauge returns the value of a metric without labels.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestTooManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	service := newService(t)
	s := serve(t, web.Config{Limits: admission.Limits{MaxRequests: 4}}, service)
	unlimited := serve(t, web.Config{}, service)
	user := newUser(t, unlimited)
	id := newListing(t, unlimited, user, "Lamp", "1")
	s.call(t, http.MethodGet, "/products/"+id, "") // fills the cache

	var held []net.Conn
	for range 3 {
		held = append(held, open(t, s, slowPost(1)))
	}
	testenv.Eventually(t, "they are under way", func() bool { return gauge(t, s.metrics, "vitrine_http_requests_in_flight") == 3 })
	a := s.call(t, http.MethodGet, "/users/"+user, "")
	wantProblem(t, a, http.StatusServiceUnavailable, "overloaded")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	for _, path := range []string{"/products/" + id, "/healthz", "/readyz"} {
		if a := s.call(t, http.MethodGet, path, ""); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.raw)
		}
	}
	if got := counts(t, s.metrics, "vitrine_http_shed_total")["requests"]; got != 1 {
		t.Errorf("the metric says %v", got)
	}
	line := s.logs.wait(t, "Request processed", a.text("request_id"))
	if line["level"] != "warning" || line["code"] != "overloaded" {
		t.Errorf("log line %v", line)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	testenv.Eventually(t, "there is room again", func() bool { return s.call(t, http.MethodGet, "/users/"+user, "").status == http.StatusOK })
}

func TestMemoryForBodiesIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{Limits: admission.Limits{MaxBodies: 2 << 20}}, newService(t))
	var held []net.Conn
	for range 2 { // together they leave 200,000 bytes, whatever their Content-Length
		held = append(held, open(t, s, slowPost(1<<20-100_000)))
	}
	testenv.Eventually(t, "both are read", func() bool { return gauge(t, s.metrics, "vitrine_http_body_bytes") == 2*(1<<20-100_000) })
	body := `{"name":"` + strings.Repeat("x", 300_000) + `"}`
	wantProblem(t, s.call(t, http.MethodPost, "/users", body), http.StatusServiceUnavailable, "overloaded")
	newUser(t, s) // a small body fits
	if got := counts(t, s.metrics, "vitrine_http_shed_total")["bodies"]; got != 1 {
		t.Errorf("the metric says %v", got)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	testenv.Eventually(t, "a large body finds room again", func() bool {
		return s.call(t, http.MethodPost, "/users", body).status == http.StatusUnprocessableEntity
	})
}

// While PostgreSQL is frozen, requests that have a connection wait until their deadline, further
// ones get a 503 at once, and cached products can be read.
func TestCrowdAtAFrozenDatabase(t *testing.T) {
	t.Parallel()
	service, _, proxy := behindProxy(t)
	s := serve(t, web.Config{AdminToken: adminToken}, service)
	a := &accounts{server: s, t: t}
	account := a.newAccount()
	made := a.must(account.key, http.MethodPost, "/products", `{"product_name":"Lamp","product_price":1}`)
	cached := fmt.Sprint("/products/", made["id"])
	testenv.Eventually(t, "the product is cached", func() bool {
		return a.as(account.key, http.MethodGet, cached, "").header.Get("X-Cache") == "HIT"
	})
	proxy.Stall()
	const places = 23 // of the thirty connections of behindProxy
	var mu sync.Mutex
	codes := map[string]int{}
	crowd := func(n int) *sync.WaitGroup {
		var calls sync.WaitGroup
		for range n {
			calls.Go(func() {
				began := time.Now()
				a := a.as(adminToken, http.MethodGet, "/users/"+account.id, "")
				mu.Lock()
				defer mu.Unlock()
				codes[a.text("code")]++
				if took := time.Since(began); a.text("code") == "overloaded" && took > 2*time.Second { // half a second, with a margin for a busy machine
					t.Errorf("turned away after %s", took)
				}
				if a.header.Get("Retry-After") == "" {
					t.Errorf("%d without Retry-After", a.status)
				}
			})
		}
		return &calls
	}
	all := crowd(3 * places)
	testenv.Eventually(t, "the first are turned away", func() bool {
		a := a.as(account.key, http.MethodGet, cached, "")
		if a.status != http.StatusOK || a.header.Get("X-Cache") != "HIT" {
			t.Errorf("what is cached: %d %s", a.status, a.raw)
		}
		return counts(t, s.metrics, "vitrine_http_shed_total")["database"] > 0
	})
	all.Wait()
	if diff := cmp.Diff(map[string]int{"unavailable": places, "overloaded": 2 * places}, codes); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	proxy.Resume()
	testenv.Eventually(t, "PostgreSQL is used again", func() bool { return a.as(adminToken, http.MethodGet, "/users/"+account.id, "").status == http.StatusOK })
}
