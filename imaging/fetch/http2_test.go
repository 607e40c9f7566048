package fetch_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
)

// secureSite is a web server on loopback that uses HTTP/2 over TLS. It records its
// connections.
type secureSite struct {
	*httptest.Server
	port int

	mu    sync.Mutex
	conns map[string]string // the protocol and Host of each connection's last request
	open  map[net.Conn]bool
}

// certificate returns a certificate for both names of loopback, and a pool that trusts it.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pool
})

func newSecureSite(t *testing.T, handler http.HandlerFunc) *secureSite {
	t.Helper()
	s := &secureSite{conns: map[string]string{}, open: map[net.Conn]bool{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.conns[r.RemoteAddr] = r.Proto + " " + r.Host
		s.mu.Unlock()
		handler(w, r)
	}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[c] = state != http.StateClosed
	}
	own, _ := certificate()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	s.port = portOf(t, s.URL)
	return s
}

// asked returns the protocol and Host of each connection.
func (s *secureSite) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, use := range s.conns {
		all = append(all, use)
	}
	return all
}

func (s *secureSite) opened() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, is := range s.open {
		if is {
			n++
		}
	}
	return n
}

// trusting returns a Fetcher that may connect to the ports and trusts their certificate.
func trusting(t *testing.T, change func(*fetch.Config), ports ...int) *fetch.Fetcher {
	t.Helper()
	_, pool := certificate()
	cfg := fetch.Config{
		AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, AllowPorts: ports, RootCAs: pool,
	}
	if change != nil {
		change(&cfg)
	}
	f := fetch.New(cfg)
	t.Cleanup(f.Close)
	return f
}

func logo(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(logoFile()) }

func logoFile() []byte { return imagingtest.PNG(imagingtest.Logo(40, 30)) }

func wantLogo(t *testing.T, f *fetch.Fetcher, source string) {
	t.Helper()
	src, release, err := f.Fetch(t.Context(), source, imaging.Validators{}, nil)
	release()
	if err != nil || !bytes.Equal(src.Body, logoFile()) {
		t.Errorf("%s: %d bytes, %v", source, len(src.Body), err)
	}
}

func TestFetchKeepsAnHTTP2Connection(t *testing.T) {
	t.Parallel()
	s := newSecureSite(t, logo)
	f := trusting(t, nil, s.port)
	wantLogo(t, f, s.URL+"/first")
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() { wantLogo(t, f, s.URL+"/next") })
	}
	group.Wait()
	if got := s.asked(); len(got) != 1 || got[0] != "HTTP/2.0 "+strings.TrimPrefix(s.URL, "https://") {
		t.Errorf("connections: %q", got)
	}
}

// A certificate for several names must not lead to a shared connection: the address was
// checked only for the name that it was dialled for.
func TestFetchSharesNoConnectionAmongHosts(t *testing.T) {
	t.Parallel()
	a, b := newSecureSite(t, logo), newSecureSite(t, logo)
	f := trusting(t, nil, a.port, b.port)
	for range 2 {
		wantLogo(t, f, a.URL)
		wantLogo(t, f, strings.Replace(a.URL, "127.0.0.1", "localhost", 1))
		wantLogo(t, f, b.URL)
	}
	if got := a.asked(); len(got) != 2 || got[0] == got[1] {
		t.Errorf("connections: %q", got)
	}
	if got := b.asked(); len(got) != 1 {
		t.Errorf("connections to the other port: %q", got)
	}
}

func TestFetchBoundsIdleConnections(t *testing.T) {
	t.Parallel()
	sites := make([]*secureSite, 6)
	ports := make([]int, len(sites))
	for i := range sites {
		sites[i] = newSecureSite(t, logo)
		ports[i] = sites[i].port
	}
	f := trusting(t, func(cfg *fetch.Config) { cfg.KeptConnections = 2 }, ports...)
	for _, s := range sites {
		wantLogo(t, f, s.URL)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		open := 0
		for _, s := range sites {
			open += s.opened()
		}
		if open <= 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, the limit is 2", open)
		}
		<-time.After(10 * time.Millisecond) // the servers notice with a delay
	}
}

func TestFetchOverBrokenHTTP2(t *testing.T) {
	t.Parallel()
	file := imagingtest.JPEG(imagingtest.Photo(400, 300, 1), 90, 1)
	var s *secureSite
	s = newSecureSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reset":
			panic(http.ErrAbortHandler)
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		case "/cut":
			_, _ = w.Write(file[:len(file)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/gone":
			_, _ = w.Write(file[:len(file)/2])
			_ = http.NewResponseController(w).Flush()
			go s.CloseClientConnections()
			<-r.Context().Done()
		default:
			_, _ = w.Write(file)
		}
	})
	f := trusting(t, nil, s.port)
	for _, path := range []string{"/reset", "/header", "/cut", "/gone"} {
		_, _, err := f.Fetch(t.Context(), s.URL+path, imaging.Validators{}, nil)
		wantError(t, err, imaging.CodeConnectFailed, true)
		if src, _, err := f.Fetch(t.Context(), s.URL+"/whole", imaging.Validators{}, nil); err != nil || !bytes.Equal(src.Body, file) {
			t.Errorf("after %s: %d bytes, %v", path, len(src.Body), err)
		}
	}
}

// A server that rejects every connection does not get more time than others.
func TestFetchFromAServerThatGoesAway(t *testing.T) {
	t.Parallel()
	own, _ := certificate()
	cfg := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	address := "https://" + serveTCP(t, func(_ int, plain net.Conn) {
		conn := tls.Server(plain, cfg)
		settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		goAway := "\x00\x00\x08\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no error: try elsewhere
		_, _ = io.ReadFull(conn, make([]byte, 100))
		_, _ = io.WriteString(conn, settings+goAway)
		_, _ = io.Copy(io.Discard, conn)
	})
	f := trusting(t, func(cfg *fetch.Config) { cfg.Timeout = time.Second }, portOf(t, address))
	began := time.Now()
	_, _, err := f.Fetch(t.Context(), address, imaging.Validators{}, nil)
	var got *imaging.Error
	if !errors.As(err, &got) || !got.Transient {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// A connection that was cut silently fails one download before its time is over, and no other.
func TestFetchLeavesADeadConnection(t *testing.T) {
	t.Parallel()
	s := newSecureSite(t, logo)
	through := newValve(t, strings.TrimPrefix(s.URL, "https://"))
	address := "https://" + through.address
	f := trusting(t, func(cfg *fetch.Config) { cfg.Timeout = 8 * time.Second }, portOf(t, address))
	wantLogo(t, f, address)
	through.shut()
	began := time.Now()
	_, _, err := f.Fetch(t.Context(), address, imaging.Validators{}, nil)
	if err != nil { // the transport may have retried
		wantError(t, err, imaging.CodeConnectFailed, true)
	}
	if took := time.Since(began); took > 7*time.Second {
		t.Errorf("it took %v to notice", took)
	}
	wantLogo(t, f, address)
}
