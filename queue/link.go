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
	// writeTimeout bounds one write to the socket. A peer that takes nothing for
	// so long is gone; without the bound a writer would hang until heartbeats
	// are missed, holding the locks that every other writer needs.
	writeTimeout = 10 * time.Second
	// closeTimeout bounds the closing handshake of one connection; then its
	// socket is closed under it.
	closeTimeout = time.Second
)

var errSessionOver = errors.New("session is over")

// link is the socket under one AMQP connection of a session. It tells the session
// when the socket ends, and hands out no second one: a connection that a library
// would dial again belongs to a session that is over.
type link struct {
	lost func(error) // of the session; safe for concurrent use

	mu      sync.Mutex
	conn    *wire
	ended   error
	sealed  bool // the AMQP connection stands: no more dialling, its end is a loss
	retired bool // its end is wanted
	closing sync.Once
}

// dialer gives the dial function of the AMQP libraries, bound to ctx.
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
		// For the handshakes; the AMQP library lifts it once the connection is open.
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

// seal says that the AMQP connection stands on the socket dialled last.
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

// wanted tells whether the link is being closed by us.
func (l *link) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retired
}

// cut closes the socket, which ends every call that waits for the peer.
func (l *link) cut() {
	l.mu.Lock()
	conn := l.conn
	l.sealed = true
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // closed already, or closed now: both are what we want
	}
}

// close ends the connection with goodbye, which may block, and then the socket.
// It takes no more than twice closeTimeout and may be called again.
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
