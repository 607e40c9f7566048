package imaging_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// serveTCP has each connection served, counted from 0, and closed after that.
func serveTCP(t *testing.T, serve func(i int, conn net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for i := 0; ; i++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(i, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// proxy stands before a TCP server; while cut, it ends all connections.
type proxy struct {
	address string
	cut     atomic.Bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{}
	p.address = serveTCP(t, func(_ int, client net.Conn) { p.serve(client, target) })
	return p
}

func (p *proxy) serve(client net.Conn, target string) {
	server, err := net.Dial("tcp", target)
	if err != nil || p.cut.Load() {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		defer func() { _ = client.Close() }()
		_, _ = io.Copy(client, server)
	}()
	buf := make([]byte, 4096)
	for {
		n, err := client.Read(buf)
		if err != nil || p.cut.Load() {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// valve stands before a TCP server; shutting it silences the connections there are.
type valve struct {
	address string

	mu     sync.Mutex
	closed chan struct{} // of the connections made since the last shutting
}

func newValve(t *testing.T, target string) *valve {
	t.Helper()
	v := &valve{closed: make(chan struct{})}
	v.address = serveTCP(t, func(_ int, client net.Conn) {
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		v.mu.Lock()
		closed := v.closed
		v.mu.Unlock()
		go pass(client, server, closed)
		pass(server, client, closed)
	})
	return v
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.closed)
	v.closed = make(chan struct{})
}

// pass copies until closed; after that it swallows what comes.
func pass(to, from net.Conn, closed chan struct{}) {
	defer func() { _ = from.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			_ = to.Close()
			return
		}
		select {
		case <-closed:
			continue
		default:
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
