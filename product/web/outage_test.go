package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product/postgres"
	"vitrine/product/web"
	"vitrine/product/web/health"
)

// behindProxy returns the services with a proxy in front of PostgreSQL, and the database for
// the readiness check.
func behindProxy(t *testing.T) (web.Services, *postgres.DB, *testenv.Proxy) {
	t.Helper()
	through, p := testenv.ProxyURL(t, testenv.DSN(t))
	// One connection for each concurrent call, so that none is shed.
	store, err := postgres.Open(postgres.Config{DSN: through, MaxOpen: 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	t.Cleanup(p.Refuse) // before the database is closed, which would wait for a frozen server
	return newServices(store, newCache(t), objectURL), store, p
}

// everyCall has a valid request to each route that needs the database.
func everyCall(user string) map[string]string {
	return map[string]string{
		"POST /products":                      `{"user_id":` + user + `,"product_name":"Lamp","product_price":1}`,
		"GET /products":                       "",
		"GET /products/" + owner:              "",
		"PATCH /products/" + owner:            `{"product_name":"Torch"}`,
		"DELETE /products/" + owner:           "",
		"POST /users":                         `{"name":"Eve","email":"eve@example.org"}`,
		"GET /users/" + owner:                 "",
		"GET /api/products?product_name=Lamp": "",
		"GET /events":                         "",
		"GET /events?last_event_id=0":         "",
	}
}

func TestWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testenv.Proxy){"refusing": (*testenv.Proxy).Refuse, "frozen": (*testenv.Proxy).Stall} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store, proxy := behindProxy(t)
			s := serve(t, web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: store.Check}}}, service)
			user := newUser(t, s)
			fail(proxy)
			var calls sync.WaitGroup
			for call, body := range everyCall(user) {
				calls.Go(func() { wantUnavailable(t, s, call, body) })
			}
			calls.Wait()
			if a := s.call(t, http.MethodGet, "/healthz", ""); a.status != http.StatusOK {
				t.Errorf("/healthz: %d", a.status)
			}
			a := s.call(t, http.MethodGet, "/readyz", "")
			if a.status != http.StatusServiceUnavailable || a.text("status") != "not ready" {
				t.Errorf("/readyz: %d %s", a.status, a.raw)
			}
			for _, line := range s.logs.all(t, "Request processed") {
				if line["status"] == 503.0 && line["route"] != "/readyz" && (line["level"] != "error" || line["error"] == nil) {
					t.Errorf("log line %v", line)
				}
				if strings.Contains(fmt.Sprint(line), "postgres://") {
					t.Errorf("a log line names the database with its password: %v", line)
				}
			}
		})
	}
}

// wantUnavailable makes a request and expects a 503 within three seconds.
func wantUnavailable(t *testing.T, s *server, call, body string) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	began := time.Now()
	a := s.call(t, method, path, body)
	took := time.Since(began)
	wantProblem(t, a, http.StatusServiceUnavailable, "unavailable")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("%s: Retry-After is %q", call, a.header.Get("Retry-After"))
	}
	if took > 5*time.Second { // two seconds more for a busy machine
		t.Errorf("%s took %v", call, took)
	}
}

func TestServesAgainWhenPostgreSQLReturns(t *testing.T) {
	t.Parallel()
	service, _, proxy := behindProxy(t)
	s := serve(t, web.Config{}, service)
	user := newUser(t, s)
	proxy.Refuse()
	wantProblem(t, s.call(t, http.MethodGet, "/users/"+user, ""), http.StatusServiceUnavailable, "unavailable")
	proxy.Accept()
	testenv.Eventually(t, "an answer", func() bool { return s.call(t, http.MethodGet, "/users/"+user, "").status == http.StatusOK })
}

func TestRequestsEndWithTheirDeadline(t *testing.T) {
	t.Parallel()
	service, _, proxy := behindProxy(t)
	s := serve(t, web.Config{RequestTimeout: 500 * time.Millisecond}, service)
	user := newUser(t, s)
	proxy.Stall()
	var calls sync.WaitGroup
	for call, body := range everyCall(user) {
		calls.Go(func() {
			method, path, _ := strings.Cut(call, " ")
			began := time.Now()
			a := s.call(t, method, path, body)
			// Either the connection or the API notices the deadline first.
			code := a.text("code")
			if code != "timeout" {
				code = "unavailable"
			}
			wantProblem(t, a, http.StatusServiceUnavailable, code)
			if took := time.Since(began); took > 2*time.Second || a.header.Get("Retry-After") != "1" {
				t.Errorf("%s took %v, Retry-After %q", call, took, a.header.Get("Retry-After"))
			}
		})
	}
	calls.Wait()
}

func TestClientThatLeavesIsNoError(t *testing.T) {
	t.Parallel()
	service, _, proxy := behindProxy(t)
	s := serve(t, web.Config{}, service)
	user := newUser(t, s)
	proxy.Stall()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/users/"+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-ID", "leaves")
	impatient := &http.Client{Timeout: 300 * time.Millisecond, Transport: &http.Transport{}}
	if res, err := impatient.Do(req); err == nil {
		_ = res.Body.Close()
		t.Fatalf("answered %d though the database is frozen", res.StatusCode)
	}
	line := s.logs.wait(t, "Request processed", "leaves")
	if line["status"] != 499.0 || line["level"] != "info" || line["code"] != "client_closed_request" {
		t.Errorf("log line %v", line)
	}
}
