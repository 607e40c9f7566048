package worker_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// proxy stands in front of a TCP server. While it is cut, it closes all connections.
type proxy struct {
	address string
	cut     atomic.Bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client, target)
		}
	}()
	return p
}

func (p *proxy) serve(client net.Conn, target string) {
	defer func() { _ = client.Close() }()
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
