package fetch_test

import (
	"net"
	"sync"
	"testing"
)

// serveTCP serves each connection, counted from 0, and closes it afterwards.
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

// valve stands in front of a TCP server. Shutting it silences the existing connections.
type valve struct {
	address string

	mu     sync.Mutex
	closed chan struct{} // of the connections opened since the last shut
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

// pass copies until closed. After that it discards what arrives.
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
