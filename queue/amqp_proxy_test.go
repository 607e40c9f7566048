package queue_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between the code under test and the real broker and plays the
// network's tricks.
type proxy struct {
	target string
	addr   string
	url    string
	tls    *tls.Config // nil: plain

	mu      sync.Mutex
	ln      net.Listener
	pairs   map[*pair]struct{}
	made    int
	running sync.WaitGroup
}

// pair is one connection through the proxy.
type pair struct {
	number         int // counted from 0
	client, server net.Conn
	deaf, mute     atomic.Bool // nothing reaches the server, the client
	writing        sync.Mutex  // of frames to the client
}

// newProxy returns a proxy that refuses connections until listen.
func newProxy(t *testing.T, raw string) *proxy {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: u.Host, pairs: map[*pair]struct{}{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	ln.Close()
	u.Host = p.addr
	p.url = u.String()
	t.Cleanup(func() {
		p.refuse()
		p.cut()
		p.running.Wait()
	})
	return p
}

// listen lets connections through from now on.
func (p *proxy) listen(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	if p.tls != nil {
		ln = tls.NewListener(ln, p.tls)
	}
	p.mu.Lock()
	p.ln = ln
	p.mu.Unlock()
	p.running.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.connect(client) })
		}
	})
}

// refuse lets no new connections through.
func (p *proxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln != nil {
		p.ln.Close()
	}
}

func (p *proxy) connect(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close()
		return
	}
	c := &pair{client: client, server: server}
	p.mu.Lock()
	c.number = p.made
	p.made++
	p.pairs[c] = struct{}{}
	p.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { c.copyToServer() })
	both.Go(func() { c.copyToClient() })
	both.Wait()
	c.cut()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// each calls f for every open connection.
func (p *proxy) each(f func(*pair)) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		f(c)
	}
	return len(p.pairs)
}

// cut ends all open connections, as a dying host would.
func (p *proxy) cut() int {
	return p.each((*pair).cut)
}

// one calls f for the open connection that was made as number i of its session.
func (p *proxy) one(i int, f func(*pair)) {
	p.each(func(c *pair) {
		if c.number%3 == i {
			f(c)
		}
	})
}

// freeze lets nothing pass on the open connections any more, in silence. They
// stay open on both sides; new ones work.
func (p *proxy) freeze() { p.each((*pair).freeze) }

// count returns the number of connections made so far.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// block tells the clients what a broker in alarm tells them.
func (p *proxy) block(t *testing.T) {
	t.Helper()
	const reason = "low on memory"
	p.inject(t, append([]byte{0, 10, 0, 60, byte(len(reason))}, reason...)) // connection.blocked
}

// unblock tells them that the alarm is over.
func (p *proxy) unblock(t *testing.T) {
	t.Helper()
	p.inject(t, []byte{0, 10, 0, 61}) // connection.unblocked
}

func (p *proxy) inject(t *testing.T, method []byte) {
	t.Helper()
	frame := []byte{1, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(method)))
	frame = append(append(frame, method...), 0xCE)
	p.each(func(c *pair) {
		c.writing.Lock()
		defer c.writing.Unlock()
		if _, err := c.client.Write(frame); err != nil {
			t.Error(err)
		}
	})
}

func (c *pair) copyToServer() {
	defer c.cut()
	buf := make([]byte, 32<<10)
	for {
		n, err := c.client.Read(buf)
		if err != nil {
			return
		}
		if c.deaf.Load() {
			continue
		}
		if _, err := c.server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// copyToClient copies frame by frame, so that others can be put in between.
func (c *pair) copyToClient() {
	defer c.cut()
	for {
		head := make([]byte, 7)
		if _, err := io.ReadFull(c.server, head); err != nil {
			return
		}
		frame := make([]byte, 7+int(binary.BigEndian.Uint32(head[3:]))+1)
		copy(frame, head)
		if _, err := io.ReadFull(c.server, frame[7:]); err != nil {
			return
		}
		if c.mute.Load() {
			continue
		}
		c.writing.Lock()
		_, err := c.client.Write(frame)
		c.writing.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *pair) deafen() { c.deaf.Store(true) }

func (c *pair) freeze() {
	c.deaf.Store(true)
	c.mute.Store(true)
}

func (c *pair) cut() {
	c.client.Close()
	c.server.Close()
}
