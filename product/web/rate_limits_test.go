package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product/web"
	"vitrine/product/web/admission"
)

// perAddress returns the limits of a service behind a proxy on this machine, with a number of
// requests for each address that is restored slowly.
func perAddress(t *testing.T, requests int) admission.Limits {
	t.Helper()
	limits := trusting("")
	limits.PerAddress, limits.Window = requests, time.Hour
	limits.Counter, limits.Prefix = newCache(t), uuid.NewString()+":"
	return limits
}

// from makes a request through the proxy for a client at addr.
func (s *server) from(t *testing.T, addr, path string, headers ...string) answer {
	t.Helper()
	return s.call(t, http.MethodGet, path, "", append(headers, "X-Forwarded-For", addr)...)
}

// coarse rounds a time up to a multiple of 20 s, for a busy machine.
func coarse(header string) string {
	return regexp.MustCompile(`t=\d+`).ReplaceAllStringFunc(header, func(match string) string {
		seconds, _ := strconv.Atoi(match[2:])
		return fmt.Sprintf("t=%d", (seconds+19)/20*20)
	})
}

// counts returns the values of a counter by its label.
func counts(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				found[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return found
}

func TestRequestsOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	limits := perAddress(t, 3)
	s := serve(t, web.Config{Limits: limits}, web.Services{})
	const path = "/nowhere"
	for i := range 3 {
		a := s.from(t, "203.0.113.7", path)
		wantProblem(t, a, http.StatusNotFound, "no_such_route")
		if got, want := coarse(a.header.Get("RateLimit")), fmt.Sprintf(`"address";r=%d;t=1200`, 2-i); got != want {
			t.Errorf("RateLimit of request %d: %s, want %s", i, got, want)
		}
		if got := a.header.Get("RateLimit-Policy"); got != `"address";q=3;w=3600` {
			t.Errorf("RateLimit-Policy: %s", got)
		}
	}
	a := s.from(t, "203.0.113.7", path)
	wantProblem(t, a, http.StatusTooManyRequests, "rate_limited")
	got := []string{coarse(a.header.Get("RateLimit")), a.header.Get("RateLimit-Policy"), coarse("t=" + a.header.Get("Retry-After"))}
	if diff := cmp.Diff([]string{`"address";r=0;t=1200`, `"address";q=3;w=3600`, "t=1200"}, got); diff != "" {
		t.Errorf("headers of the refusal (-want +got):\n%s", diff)
	}
	if a := s.from(t, "203.0.113.8", path); a.status != http.StatusNotFound {
		t.Errorf("another address: %d", a.status)
	}
	for _, probe := range []string{"/healthz", "/readyz", "/api/healthz"} {
		if a := s.from(t, "203.0.113.7", probe); a.status != http.StatusOK || a.header.Get("RateLimit") != "" {
			t.Errorf("%s: %d, RateLimit %q", probe, a.status, a.header.Get("RateLimit"))
		}
	}
	if diff := cmp.Diff(map[string]float64{"address": 1}, counts(t, s.metrics, "vitrine_http_limited_total")); diff != "" {
		t.Errorf("metric (-want +got):\n%s", diff)
	}
}

func TestReplicasRefuseTogether(t *testing.T) {
	t.Parallel()
	limits := perAddress(t, 6)
	one, two := serve(t, web.Config{Limits: limits}, web.Services{}), serve(t, web.Config{Limits: limits}, web.Services{})
	passed := 0
	for range 6 {
		for _, s := range []*server{one, two} {
			if s.from(t, "203.0.113.7", "/nowhere").status == http.StatusNotFound {
				passed++
			}
		}
	}
	if passed != 6 {
		t.Errorf("%d requests passed, want 6", passed)
	}
}

func TestNetworkIsOneClient(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{Limits: perAddress(t, 1)}, web.Services{})
	for _, c := range []struct {
		addr   string
		status int
	}{
		{"2001:db8::1", 404}, {"2001:db8::ffff:2", 429}, {"2001:db8:0:1::1", 404},
		{"203.0.113.7", 404}, {"::ffff:203.0.113.7", 429}, {"203.0.113.8", 404},
	} {
		if a := s.from(t, c.addr, "/nowhere"); a.status != c.status {
			t.Errorf("%s: %d, want %d", c.addr, a.status, c.status)
		}
	}
}

func TestThisMachineHasNoLimit(t *testing.T) {
	t.Parallel()
	limits := perAddress(t, 1)
	limits.TrustedProxies = nil
	s := serve(t, web.Config{Limits: limits}, web.Services{})
	for range 3 {
		// The client cannot pretend to have another address.
		if a := s.from(t, "203.0.113.7", "/nowhere"); a.status != http.StatusNotFound || a.header.Get("RateLimit") != "" {
			t.Errorf("%d, RateLimit %q", a.status, a.header.Get("RateLimit"))
		}
	}
}

func TestGuessingIsLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "s3cret", Limits: perAddress(t, 10_000)}, web.Services{})
	get := func(addr, token string) answer {
		return s.from(t, addr, "/products/x", "Authorization", "Bearer "+token)
	}
	neighbour, attacker := "203.0.113.7", "203.0.113.8"
	if a := get(neighbour, "s3cret"); a.status != http.StatusNotFound {
		t.Fatalf("the right token: %d", a.status)
	}
	for i := range 60 {
		wantProblem(t, get(neighbour, fmt.Sprint("wrong", i)), http.StatusUnauthorized, "invalid_token")
	}
	a := get(neighbour, "wrong")
	wantProblem(t, a, http.StatusTooManyRequests, "rate_limited")
	if got := a.header.Get("RateLimit-Policy"); got != `"failures";q=60;w=3600` {
		t.Errorf("RateLimit-Policy: %s", got)
	}
	if a := get(neighbour, "s3cret"); a.status != http.StatusNotFound {
		t.Errorf("a token that was right before is locked out: %d", a.status)
	}
	// After too many wrong tokens, the right one is rejected too. Tokens on routes that ignore
	// them are not checked.
	closed := serve(t, web.Config{AdminToken: "s3cret", Limits: perAddress(t, 10_000)}, web.Services{})
	for i := range 61 {
		closed.from(t, attacker, "/products/x", "Authorization", fmt.Sprint("Bearer wrong", i))
		closed.from(t, attacker, "/nowhere", "Authorization", "Bearer s3cret")
	}
	wantProblem(t, closed.from(t, attacker, "/products/x", "Authorization", "Bearer s3cret"), http.StatusTooManyRequests, "rate_limited")
	if a := closed.from(t, "203.0.113.9", "/products/x", "Authorization", "Bearer s3cret"); a.status != http.StatusNotFound {
		t.Errorf("the same from another address: %d", a.status)
	}
}

func TestAddressIsRefusedBeforeItsTokenIsLookedAt(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "s3cret", Limits: perAddress(t, 2)}, web.Services{})
	for _, want := range []int{401, 401, 429} {
		if a := s.from(t, "203.0.113.7", "/products/x", "Authorization", "Bearer wrong"); a.status != want {
			t.Errorf("got %d, want %d", a.status, want)
		}
	}
	// The administrator has no limit by key, but one by address.
	if a := s.from(t, "203.0.113.7", "/products/x", "Authorization", "Bearer s3cret"); a.status != http.StatusTooManyRequests {
		t.Errorf("the administrator from there: %d", a.status)
	}
}

func TestRequestsOfAKeyAreLimited(t *testing.T) {
	t.Parallel()
	accounts := newAccounts(t)
	one, two := accounts.newAccount(), accounts.newAccount()
	second, _ := accounts.newKey(one.key, one.id, "")
	limits := perAddress(t, 100)
	limits.PerKey = 2
	s := serve(t, web.Config{AdminToken: adminToken, Limits: limits}, accounts.service)
	get := func(addr, key string) answer {
		return s.from(t, addr, "/products", auth(key)...)
	}
	a := get("203.0.113.1", one.key)
	got := []string{a.header.Get("RateLimit-Policy"), coarse(a.header.Get("RateLimit"))}
	if diff := cmp.Diff([]string{`"address";q=100;w=3600, "key";q=2;w=3600`, `"address";r=99;t=40, "key";r=1;t=1800`}, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	for i, c := range []struct {
		addr, key string
		status    int
	}{
		{"203.0.113.2", one.key, 200}, {"203.0.113.3", one.key, 429}, {"127.0.0.1", one.key, 429},
		{"203.0.113.3", second, 200}, {"203.0.113.3", two.key, 200}, // each key has its own
		{"203.0.113.3", adminToken, 200}, {"203.0.113.3", adminToken, 200}, {"203.0.113.3", adminToken, 200},
	} {
		if a := get(c.addr, c.key); a.status != c.status {
			t.Errorf("request %d: %d %s, want %d", i, a.status, a.raw, c.status)
		}
	}
	// A request that is over the limit of its key does not count for its address.
	a = get("203.0.113.2", one.key)
	wantProblem(t, a, http.StatusTooManyRequests, "rate_limited")
	if got := coarse(a.header.Get("RateLimit")); got != `"address";r=99;t=40, "key";r=0;t=1800` {
		t.Errorf("RateLimit %s", got)
	}
	if line := s.logs.wait(t, "Request processed", a.text("request_id")); line["key_id"] != one.keyID {
		t.Errorf("log line %v", line)
	}
	if diff := cmp.Diff(map[string]float64{"key": 3}, counts(t, s.metrics, "vitrine_http_limited_total")); diff != "" {
		t.Errorf("metric (-want +got):\n%s", diff)
	}
}
