package testenv

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"vitrine/imaging/fetch"
)

// SourceServer is a web server on loopback that serves one picture, /logo.png, with an
// ETag. Any other path is not found. All methods are safe for concurrent use.
type SourceServer struct {
	*httptest.Server
	mu        sync.Mutex
	logo      []byte
	status    int // of every response, unless zero
	requests  int
	downloads int
}

// NewSourceServer starts a server that serves logo. It is closed when the test ends.
func NewSourceServer(t testing.TB, logo []byte) *SourceServer {
	t.Helper()
	s := &SourceServer{logo: logo}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *SourceServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case r.URL.Path != "/logo.png" || s.logo == nil:
		http.NotFound(w, r)
	default:
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256(s.logo))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.downloads++
		_, _ = w.Write(s.logo)
	}
}

// Serve replaces the picture. After Serve(nil) it is not found.
func (s *SourceServer) Serve(logo []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logo = logo
}

// Answer makes the server answer every request with status; 0 ends that.
func (s *SourceServer) Answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Requests returns the number of requests so far.
func (s *SourceServer) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Downloads returns the number of responses with the picture so far.
func (s *SourceServer) Downloads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.downloads
}

// NewFetcher returns a fetcher that may connect to a server on loopback. It is closed when
// the test ends.
func NewFetcher(t testing.TB, server *httptest.Server, cfg fetch.Config) *fetch.Fetcher {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	cfg.AllowCIDRs, cfg.AllowPorts = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, []int{port}
	f := fetch.New(cfg)
	t.Cleanup(f.Close)
	return f
}
