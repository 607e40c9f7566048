package testenv

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Proxy forwards TCP connections to a server and fails on demand. All methods are
// safe for concurrent use.
type Proxy struct {
	// Addr is the host:port that the proxy listens on.
	Addr string

	t        testing.TB
	network  string // of upstream: tcp or unix
	upstream string
	parts    sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[net.Conn]bool
	open     chan struct{} // closed while bytes pass
	last     []byte        // if not nil, the proxy stalls after the next chunk that contains it
	dials    int
}

// NewProxy starts a proxy for the server at upstream, a host:port or the absolute
// path of a Unix socket. It forwards everything at first and is closed when the
// test ends.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{
		t: t, Addr: "127.0.0.1:0", network: "tcp", upstream: upstream,
		conns: map[net.Conn]bool{}, open: make(chan struct{}),
	}
	if filepath.IsAbs(upstream) {
		p.network = "unix"
	}
	close(p.open)
	p.Accept()
	t.Cleanup(func() {
		p.Refuse()
		p.Resume()
		p.parts.Wait()
	})
	return p
}

// ProxyURL starts a proxy for the server that rawURL names, and returns the URL that goes
// through it.
func ProxyURL(t testing.TB, rawURL string) (through string, p *Proxy) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	p = NewProxy(t, u.Host)
	u.Host = p.Addr
	return u.String(), p
}

// Accept accepts connections again after [Proxy.Refuse], at the same address. It waits if
// the system has given the port to another socket meanwhile.
func (p *Proxy) Accept() {
	p.t.Helper()
	var config net.ListenConfig
	var l net.Listener
	Eventually(p.t, "the address "+p.Addr+" is free", func() (free bool) {
		var err error
		if l, err = config.Listen(context.Background(), "tcp", p.Addr); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			p.t.Fatal(err)
		}
		return err == nil
	})
	p.mu.Lock()
	p.listener, p.Addr = l, l.Addr().String()
	p.mu.Unlock()
	p.parts.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.parts.Go(func() { p.serve(conn) })
		}
	})
}

// Refuse closes all connections and refuses new ones, as a stopped server does.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// Cut closes all connections at the same moment; new ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
		delete(p.conns, conn)
	}
}

// Stall keeps connections open and forwards nothing, as a frozen server does.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// StallAfter stalls the proxy once it has forwarded the next chunk that contains s.
func (p *Proxy) StallAfter(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = []byte(s)
}

// Resume forwards bytes again, beginning with those that were held up.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Dials returns the number of connections that clients have opened so far.
func (p *Proxy) Dials() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	p.dials++
	p.conns[client] = true
	p.mu.Unlock()
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), p.network, p.upstream)
	if err != nil {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
		_ = client.Close()
		return
	}
	p.mu.Lock()
	refusing := p.listener == nil
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	if refusing { // the connection was accepted just before
		p.Cut()
	}
	p.parts.Go(func() { p.pipe(server, client) })
	p.pipe(client, server)
}

// pipe forwards bytes while the proxy is open. When one side ends, it closes both.
func (p *Proxy) pipe(to, from net.Conn) {
	defer func() {
		_, _ = to.Close(), from.Close()
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
		p.mu.Lock()
		if p.last != nil && bytes.Contains(buffer[:n], p.last) {
			p.last, p.open = nil, make(chan struct{})
		}
		p.mu.Unlock()
	}
}
