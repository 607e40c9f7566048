package fetch_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// The connection of any short response is reused.
func TestFetchKeepsAConnection(t *testing.T) {
	t.Parallel()
	var opened sync.Map // by the address that the connection comes from
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		opened.Store(r.RemoteAddr, true)
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/logo", http.StatusFound)
		case "/gone":
			http.NotFound(w, r)
		case "/same":
			w.WriteHeader(http.StatusNotModified)
		default:
			logo(w, r)
		}
	}, nil)
	for range 3 {
		wantLogo(t, s.fetcher, s.URL+"/logo")
		wantLogo(t, s.fetcher, s.URL+"/moved")
		_, err := s.fetch(t, "/gone")
		wantError(t, err, imaging.CodeSourceNotFound, false)
		if _, _, err := s.fetcher.Fetch(t.Context(), s.URL+"/same", imaging.Validators{ETag: `"1"`}, nil); !errors.Is(err, fetch.ErrNotModified) {
			t.Errorf("error is %v", err)
		}
	}
	n := 0
	opened.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections for 15 requests", n)
	}
}

// serveKept serves one picture on the first connection and passes its next request to onKept.
// It passes the first request on every other connection to onNew.
func serveKept(t *testing.T, onKept, onNew func(net.Conn)) (address string) {
	t.Helper()
	return "http://" + serveTCP(t, func(i int, conn net.Conn) {
		requests := bufio.NewReader(conn)
		if _, err := http.ReadRequest(requests); err != nil {
			return
		}
		if i > 0 {
			onNew(conn)
			return
		}
		sendLogo(conn)
		if _, err := http.ReadRequest(requests); err == nil {
			onKept(conn)
		}
	})
}

func sendLogo(conn net.Conn) {
	body := logoFile()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestFetchAfterAKeptConnectionDied(t *testing.T) {
	t.Parallel()
	address := serveKept(t, func(net.Conn) {}, sendLogo)
	f := newFetcher(t, address, nil)
	wantLogo(t, f, address)
	wantLogo(t, f, address)
}

// A kept connection that dies late does not double the time for a download.
func TestFetchCountsADeadConnectionsTime(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	stop := make(chan struct{})
	address := serveKept(t, func(net.Conn) { <-time.After(limit * 3 / 4) }, func(net.Conn) { <-stop })
	t.Cleanup(func() { close(stop) })
	f := newFetcher(t, address, func(cfg *fetch.Config) { cfg.Timeout = limit })
	wantLogo(t, f, address)
	began := time.Now()
	_, _, err := f.Fetch(t.Context(), address, imaging.Validators{}, nil)
	wantError(t, err, imaging.CodeFetchTimeout, true)
	if took := time.Since(began); took < limit*3/4 || took > limit*3/2 {
		t.Errorf("took %v of %v", took, limit)
	}
}
