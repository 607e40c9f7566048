package producttest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and a server, and breaks on demand. All methods
// are safe for concurrent use.
type Proxy struct {
	// Addr is the host:port that the proxy listens on.
	Addr string

	t        testing.TB
	upstream string
	parts    sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[net.Conn]bool
	open     chan struct{} // closed while bytes pass
	last     []byte        // the last ones that pass, then it stalls; nil: none
}

// NewProxy puts a proxy in front of the server at upstream, a host:port. It lets
// everything pass, and goes away with the test.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, Addr: "127.0.0.1:0", upstream: upstream, conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(p.open)
	p.Accept()
	t.Cleanup(func() {
		p.Refuse()
		p.Resume()
		p.parts.Wait()
	})
	return p
}

// Accept takes connections again after [Proxy.Refuse], at the same address.
func (p *Proxy) Accept() {
	p.t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", p.Addr)
	if err != nil {
		p.t.Fatal(err)
	}
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

// Refuse ends all connections and takes no new ones, as a stopped server does.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// Cut ends all connections at the same moment; new ones are welcome.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
		delete(p.conns, conn)
	}
}

// Stall lets connections stand without passing a byte, as a frozen server does.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// StallAfter lets a client's next chunk that contains s pass, and stalls then.
func (p *Proxy) StallAfter(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = []byte(s)
}

// Resume lets bytes pass again, those that were held back first.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

func (p *Proxy) serve(client net.Conn) {
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), "tcp", p.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	refusing := p.listener == nil
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	if refusing { // it was accepted at the last moment
		p.Cut()
	}
	p.parts.Go(func() { p.pipe(server, client) })
	p.pipe(client, server)
}

// pipe hands bytes on while the way is open. When one side ends, both do.
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
