// Package source serves pictures to the service under test. It misbehaves on purpose, as
// the hosts of pictures do. Begin reading at [Start].
package source

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/bench/chaos/history"
)

// behaviour is how the server responds to the requests for a URL.
type behaviour struct {
	name   string
	weight int  // percentage
	ready  bool // whether the image has to become ready
	serve  func(s *Source, w http.ResponseWriter, r *http.Request, file []byte)
}

// A URL that recovers fails only once, which leaves the image enough attempts for those
// that a fault costs.
var behaviours = []behaviour{
	{"good", 70, true, (*Source).serveFile},
	{"slow", 5, true, (*Source).serveSlowly},
	{"flaky", 5, true, once((*Source).serveError)},
	{"reset", 5, true, once((*Source).serveReset)},
	{"busy", 5, true, once((*Source).serveBusy)},
	{"missing", 4, false, (*Source).serveMissing},
	{"page", 3, false, (*Source).servePage},
	{"cut", 3, false, (*Source).serveCut},
}

// Source is a server of pictures.
type Source struct {
	servers []*http.Server
	port    string // the same on all hosts
	files   []file
	asked   sync.Map // paths that were requested
	serial  atomic.Int64
	broken  atomic.Bool
}

// The service avoids hosts that keep failing, which is what [Source.Break] tests. So the
// failing URLs are spread over many hosts, and the good ones are on a host of their own.
const (
	goodHost = "127.0.0.1"
	badHosts = 64
)

func badHost(serial int64) string { return fmt.Sprintf("127.0.1.%d", 1+serial%badHosts) }

// Start draws the pictures and serves them until Close is called.
func Start(ctx context.Context) (*Source, error) {
	s := &Source{port: "0", files: draw()}
	if err := s.listen(ctx, goodHost); err != nil {
		return nil, err
	}
	for i := range int64(badHosts) {
		if err := s.listen(ctx, badHost(i)); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// listen starts a server on the host.
func (s *Source) listen(ctx context.Context, host string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, s.port))
	if err != nil {
		return fmt.Errorf("picture source: %w", err)
	}
	s.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(l) }() // it ends with Close
	return nil
}

// Break makes all hosts respond with a 503 until Mend is called.
func (s *Source) Break() { s.broken.Store(true) }

// Mend ends the effect of Break.
func (s *Source) Mend() { s.broken.Store(false) }

// Close stops serving. It may be called twice.
func (s *Source) Close() {
	for _, server := range s.servers {
		server.Close()
	}
}

// Pick returns a random picture with a new URL.
func (s *Source) Pick(rng *rand.Rand) history.Picture {
	n, b := rng.IntN(100), 0
	for n >= behaviours[b].weight {
		n -= behaviours[b].weight
		b++
	}
	chosen := behaviours[b]
	file := s.files[rng.IntN(len(s.files))]
	serial := s.serial.Add(1)
	host := goodHost
	if b > 0 {
		host = badHost(serial)
	}
	return history.Picture{
		URL:   fmt.Sprintf("http://%s/%s/%d/%s", net.JoinHostPort(host, s.port), chosen.name, serial, file.name),
		Ready: chosen.ready,
	}
}

// ServeHTTP serves /behaviour/number/file.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.broken.Load() {
		http.Error(w, "temporarily unavailable", http.StatusServiceUnavailable)
		return
	}
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) == 4 {
		for _, b := range behaviours {
			for _, file := range s.files {
				if b.name == parts[1] && file.name == parts[3] {
					b.serve(s, w, r, file.content)
					return
				}
			}
		}
	}
	http.NotFound(w, r)
}

// once returns a handler that calls fault for the first request for a URL and then
// serves the file.
func once(fault func(*Source, http.ResponseWriter, *http.Request, []byte)) func(*Source, http.ResponseWriter, *http.Request, []byte) {
	return func(s *Source, w http.ResponseWriter, r *http.Request, file []byte) {
		if _, again := s.asked.LoadOrStore(r.URL.Path, true); again {
			s.serveFile(w, r, file)
			return
		}
		fault(s, w, r, file)
	}
}

func (s *Source) serveFile(w http.ResponseWriter, _ *http.Request, file []byte) {
	_, _ = w.Write(file) // fails if the client has disconnected
}

// serveSlowly takes two seconds.
func (s *Source) serveSlowly(w http.ResponseWriter, r *http.Request, file []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	const pieces = 10
	for i := range pieces {
		_, _ = w.Write(file[i*len(file)/pieces : (i+1)*len(file)/pieces])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Source) serveError(w http.ResponseWriter, _ *http.Request, _ []byte) {
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func (s *Source) serveBusy(w http.ResponseWriter, _ *http.Request, _ []byte) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "slow down", http.StatusTooManyRequests)
}

// serveReset resets the connection in the middle of the body.
func (s *Source) serveReset(w http.ResponseWriter, _ *http.Request, file []byte) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(errors.Join(http.ErrAbortHandler, err))
	}
	defer conn.Close()
	fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(file))
	_, _ = buf.Write(file[:len(file)/2])
	_ = buf.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST, not FIN
	}
}

func (s *Source) serveMissing(w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) }

// Env returns the settings that allow the service to fetch from the source.
func (s *Source) Env() map[string]string {
	return map[string]string{
		"FETCH_ALLOW_CIDRS": "127.0.0.0/8",
		"FETCH_ALLOW_PORTS": s.port,
	}
}
