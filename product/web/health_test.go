package web_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product/web"
	"vitrine/product/web/health"
)

// up is a check that succeeds, and down one that fails.
func up(context.Context) error { return nil }

func down(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func TestReadyzOnlyRequiredChecksDecide(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial postgres://vitrine:hunter2@db/vitrine")
	for name, c := range map[string]struct {
		cfg    web.Config
		status int
		body   string
	}{
		"nothing to check": {web.Config{}, 200, `{"status":"ready","dependencies":{}}`},
		"all up": {
			web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: up}, {Name: "redis", Required: false, Check: up}}}, 200,
			`{"status":"ready","dependencies":{"postgresql":{"status":"up","required":true},"redis":{"status":"up","required":false}}}`,
		},
		"others down": {
			web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: up}, {Name: "redis", Required: false, Check: down(secret)}, {Name: "s3", Required: false, Check: down(&net.DNSError{})}}}, 200,
			`{"status":"ready","dependencies":{"postgresql":{"status":"up","required":true},"redis":{"status":"down","required":false,"error":"unavailable"},"s3":{"status":"down","required":false,"error":"host not found"}}}`,
		},
		"postgresql down": {
			web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: down(syscall.ECONNREFUSED)}, {Name: "redis", Required: false, Check: up}}}, 503,
			`{"status":"not ready","dependencies":{"postgresql":{"status":"down","required":true,"error":"connection refused"},"redis":{"status":"up","required":false}}}`,
		},
		"draining": {
			web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: up}}, Draining: func() bool { return true }}, 503,
			`{"status":"not ready","draining":true,"dependencies":{"postgresql":{"status":"up","required":true}}}`,
		},
		"panicking check": {
			web.Config{Checks: []health.Check{{Name: "redis", Check: func(context.Context) error { panic("boom") }}}}, 200,
			`{"status":"ready","dependencies":{"redis":{"status":"down","required":false,"error":"unavailable"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.cfg, web.Services{})
			for _, path := range []string{"/readyz", "/api/readyz"} {
				a := s.call(t, http.MethodGet, path, "")
				if a.status != c.status || string(a.raw) != c.body+"\n" {
					t.Errorf("%s: got %d %s, want %d %s", path, a.status, a.raw, c.status, c.body)
				}
			}
			if a := s.call(t, http.MethodGet, "/healthz", ""); a.status != 200 || string(a.raw) != "{\"status\":\"ok\"}\n" {
				t.Errorf("/healthz: got %d %s", a.status, a.raw)
			}
		})
	}
}

func TestReadyzRunsChecksAtOnceAndOnceForAll(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	var meeting sync.WaitGroup // done only when both checks run at the same time
	meeting.Add(2)
	check := func(ctx context.Context) error {
		calls.Add(1)
		meeting.Done()
		met := make(chan struct{})
		go func() { meeting.Wait(); close(met) }()
		select {
		case <-met:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s := serve(t, web.Config{Checks: []health.Check{{Name: "a", Required: true, Check: check}, {Name: "b", Required: true, Check: check}}}, web.Services{})
	var probes sync.WaitGroup
	for range 20 {
		probes.Go(func() {
			if a := s.call(t, http.MethodGet, "/readyz", ""); a.status != 200 {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
	probes.Wait()
	if calls.Load() != 2 {
		t.Errorf("20 probes made %d calls, want 2", calls.Load())
	}
}

func TestReadyzComesBackFromAHangingCheck(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	release := make(chan struct{})
	hang := func(context.Context) error {
		if calls.Add(1) == 1 {
			<-release // ignores its context
		}
		return nil
	}
	s := serve(t, web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: hang}}}, web.Services{})
	began := time.Now()
	if a := s.call(t, http.MethodGet, "/readyz", ""); a.status != 503 || calls.Load() != 1 {
		t.Errorf("got %d %s after %d calls", a.status, a.raw, calls.Load())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	line := s.logs.wait(t, "Dependency is down", "")
	if line["dependency"] != "postgresql" || line["level"] != "warning" {
		t.Errorf("log line %v", line)
	}
	close(release)
	testenv.Eventually(t, "ready again", func() bool { return s.call(t, http.MethodGet, "/readyz", "").status == 200 })
	s.logs.wait(t, "Dependency is up", "")
}
