package web

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// evictionLog is the shortest time between two log lines about evictions.
const evictionLog = 10 * time.Second

// connections bounds a server's open connections. When there are too many, the one
// that has gone longest without a request being served makes room: whoever opens many
// and says nothing, or a byte now and then, gets into the way of nobody else.
type connections struct {
	most int
	log  *logrus.Logger

	mu      sync.Mutex
	open    map[net.Conn]*list.Element // in waiting, nil while a request is served
	waiting *list.List                 // of net.Conn, the longest waiting first
	evicted int                        // since the last log line
	logged  time.Time
}

func newConnections(most int, log *logrus.Logger) *connections {
	return &connections{most: most, log: log, open: map[net.Conn]*list.Element{}, waiting: list.New()}
}

// changed is the server's hook. A connection with a first byte is active for it, so it
// tells nothing of who is slow.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.opened(conn)
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		defer c.mu.Unlock()
		if at := c.open[conn]; at != nil {
			c.waiting.Remove(at)
		}
		delete(c.open, conn)
	case http.StateActive, http.StateIdle:
	}
}

func (c *connections) opened(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = c.waiting.PushBack(conn)
	if len(c.open) <= c.most {
		return
	}
	// Where all the others are being served, this is the new one itself.
	oldest := c.waiting.Remove(c.waiting.Front()).(net.Conn)
	delete(c.open, oldest)
	_ = oldest.Close() // it ends in the server's own time
	c.evicted++
	if time.Since(c.logged) >= evictionLog {
		c.log.WithFields(logrus.Fields{"closed": c.evicted, "open": c.most}).Warn("Too many connections, closing those that wait")
		c.evicted, c.logged = 0, time.Now()
	}
}

type connectionKey struct{}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// serving keeps a connection open while a request on it is served.
func (c *connections) serving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connectionKey{}).(net.Conn); ok {
			c.busy(conn)
			defer c.rests(conn)
		}
		next.ServeHTTP(w, r)
	})
}

func (c *connections) busy(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.open[conn]; at != nil {
		c.waiting.Remove(at)
		c.open[conn] = nil
	}
}

func (c *connections) rests(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, open := c.open[conn]; open && at == nil {
		c.open[conn] = c.waiting.PushBack(conn)
	}
}
