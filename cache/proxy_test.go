package cache_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"vitrine/cache"
)

// proxy stands between a cache and Redis and breaks on demand.
type proxy struct {
	t        *testing.T
	network  string // of the server behind
	upstream string
	addr     string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	open     chan struct{} // closed while bytes pass
	dials    int
	wg       sync.WaitGroup
}

// through puts a proxy in front of the Redis that cfg names.
func through(t *testing.T, cfg *cache.Config) *proxy {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, network: "tcp", upstream: u.Host, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}, open: make(chan struct{})}
	if u.Scheme == "unix" {
		p.network, p.upstream = "unix", u.Path
		u.Scheme, u.Path = "redis", ""
	}
	close(p.open)
	p.listen()
	t.Cleanup(func() {
		p.resume()
		p.refuse()
		p.wg.Wait()
	})
	u.Host = p.addr
	cfg.URL = u.String()
	return p
}

// listen accepts connections again, at the same address.
func (p *proxy) listen() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener, p.addr = l, l.Addr().String()
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(conn) })
		}
	})
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	p.dials++
	p.conns[client] = true
	p.mu.Unlock()
	server, err := net.Dial(p.network, p.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.conns[server] = true
	p.mu.Unlock()
	p.wg.Go(func() { p.pipe(server, client) })
	p.pipe(client, server)
}

// pipe hands bytes on while the way is open. When one side ends, both do.
func (p *proxy) pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
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
	}
}

// stall lets connections stand without passing a byte: a black hole.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// resume lets bytes pass again, those that were held back first.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// cut ends all connections at the same moment; new ones are welcome.
func (p *proxy) cut() {
	p.stall() // or the first client would be on its own for a while
	defer p.resume()
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
		delete(p.conns, conn)
	}
}

// refuse ends all connections and takes no new ones.
func (p *proxy) refuse() {
	p.mu.Lock()
	p.listener.Close()
	p.mu.Unlock()
	p.cut()
}

func (p *proxy) dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}
