package storage_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/storage"
)

// calls are all that go to the server.
var calls = map[string]func(context.Context, *storage.Store) error{
	"put": func(ctx context.Context, s *storage.Store) error {
		return s.Put(ctx, "products/7/a", "image/jpeg", nil)
	},
	"delete": func(ctx context.Context, s *storage.Store) error { return s.DeletePrefix(ctx, "products/7/") },
	"ensure": func(ctx context.Context, s *storage.Store) error { return s.Ensure(ctx) },
	"check":  func(ctx context.Context, s *storage.Store) error { return s.Check(ctx) },
}

func TestCallsEndInTime(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	overloaded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `<Error><Code>SlowDown</Code></Error>`)
	}))
	t.Cleanup(overloaded.Close)
	for name, endpoint := range map[string]string{
		"silent": "http://" + silent.Addr().String(), "closed": "http://" + closed.Addr().String(), "overloaded": overloaded.URL,
	} {
		for call, do := range calls {
			t.Run(name+"/"+call, func(t *testing.T) {
				t.Parallel()
				cfg := settings(t)
				cfg.Endpoint, cfg.Timeout = endpoint, 1500*time.Millisecond
				s := open(t, cfg)
				began := time.Now()
				err := do(t.Context(), s)
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("took %s", took)
				}
				if !errors.Is(err, storage.ErrUnavailable) {
					t.Errorf("gave %v", err)
				}
				if err != nil && strings.Contains(err.Error(), cfg.SecretKey) {
					t.Error("the error shows the secret key")
				}
			})
		}
	}
}

func TestRefusalIsNoOutage(t *testing.T) {
	t.Parallel()
	for call, do := range calls {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t)
			ready(t, cfg)
			cfg.SecretKey = "not the secret"
			err := do(t.Context(), open(t, cfg))
			if err == nil || errors.Is(err, storage.ErrUnavailable) || strings.Contains(err.Error(), cfg.SecretKey) {
				t.Errorf("gave %v", err)
			}
		})
	}
}

func TestCancelledCall(t *testing.T) {
	t.Parallel()
	s := ready(t, settings(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for call, do := range calls {
		if err := do(ctx, s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s gave %v", call, err)
		}
	}
}

// TestPutIsRepeated: a server that fails once costs no error, and the object is
// whole.
func TestPutIsRepeated(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	ready(t, cfg)
	behind, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = r.In.Host // which is signed
	}}
	var puts atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && puts.Add(1) == 1 {
			io.CopyN(io.Discard, r.Body, 10)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	cfg.Endpoint = proxy.URL
	s := open(t, cfg)
	body := strings.Repeat("picture", 1000)
	put(t, s, "products/7/main.jpg", body)
	if puts.Load() != 2 {
		t.Errorf("%d requests, want 2", puts.Load())
	}
	if got := get(t, s.URL("products/7/main.jpg")); got != found("image/jpeg", body) {
		t.Errorf("got %.200v", got)
	}
}
