package queue

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// dialTimeout bounds the TCP connect and, again, the TLS and AMQP handshakes.
	dialTimeout = 3 * time.Second
	// writeTimeout bounds one write to the socket. Without it a writer would hang
	// until heartbeats are missed, holding the locks that other writers need.
	writeTimeout = 10 * time.Second
	// closeTimeout bounds the closing handshake of one connection. After it the
	// socket is closed.
	closeTimeout = time.Second
)

var errSessionOver = errors.New("session is over")

// link is the socket of one AMQP connection of a session. It reports the end of the
// socket to the session and refuses to dial again once the connection has been open, so
// that the library cannot reconnect within a session that is over.
type link struct {
	lost func(error) // of the session; safe for concurrent use

	mu      sync.Mutex
	conn    *wire
	ended   error
	sealed  bool // the AMQP connection is open: no more dialling, and its end is a failure
	retired bool // it is being closed on purpose
	closing sync.Once
}

// dialer returns the dial function of the AMQP libraries, bound to ctx.
func (l *link) dialer(ctx context.Context) func(network, addr string) (net.Conn, error) {
	return func(network, addr string) (net.Conn, error) {
		if !l.dialable() {
			return nil, errSessionOver
		}
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		// For the handshakes; the AMQP library clears it once the connection is open.
		if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return l.adopt(conn)
	}
}

func (l *link) dialable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.sealed && !l.retired
}

func (l *link) adopt(conn net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed || l.retired {
		return nil, errors.Join(errSessionOver, conn.Close())
	}
	l.conn, l.ended = &wire{Conn: conn, link: l}, nil
	return l.conn, nil
}

// seal marks the AMQP connection as open on the socket dialled last. It returns the
// error with which that socket has ended already, if any.
func (l *link) seal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sealed = true
	return l.ended
}

func (l *link) end(w *wire, err error) {
	l.mu.Lock()
	current := w == l.conn
	if current && l.ended == nil {
		l.ended = err
	}
	loss := current && l.sealed && !l.retired
	l.mu.Unlock()
	if loss {
		l.lost(err)
	}
}

// wanted reports whether the link is being closed on purpose.
func (l *link) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retired
}

// cut closes the socket, which ends every call that is waiting for the peer.
func (l *link) cut() {
	l.mu.Lock()
	conn := l.conn
	l.sealed = true
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // it may be closed already
	}
}

// close closes the connection with goodbye, which may block, and then the socket. It
// takes at most twice closeTimeout and may be called again.
func (l *link) close(goodbye func()) {
	l.closing.Do(func() {
		l.mu.Lock()
		l.retired = true
		l.mu.Unlock()
		done := make(chan struct{})
		go func() {
			defer close(done)
			goodbye()
		}()
		await(done, closeTimeout)
		l.cut()
		await(done, closeTimeout)
	})
}

func await(done <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// wire is a connection that reports its end to its link.
type wire struct {
	net.Conn
	link *link
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.link.end(w, err)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	if err != nil {
		w.link.end(w, err)
	}
	return n, err
}

func (w *wire) Close() error {
	w.link.end(w, net.ErrClosed)
	return w.Conn.Close()
}
