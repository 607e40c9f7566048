package admission

import (
	"bytes"
	"container/list"
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// maxConnections is how many connections a server keeps open. Each costs some 20 KiB.
const maxConnections = 4096

// NewServer returns a server for handler that limits what one connection may take:
// 5 s for a request's header and 15 s for all of it, 30 s for the answer, 90 s between
// requests (more than load balancers keep a connection, so that they close it first),
// and 32 KiB of header. Beyond 4,096 connections it closes those that have waited
// longest without a complete header. The caller listens, serves and shuts down.
func NewServer(addr string, handler http.Handler, logger *logrus.Logger) *http.Server {
	return newServer(addr, handler, logger, maxConnections)
}

func newServer(addr string, handler http.Handler, logger *logrus.Logger, connections int) *http.Server {
	open := newConnections(connections, logger)
	return &http.Server{
		Addr:              addr,
		Handler:           open.serving(handler),
		ConnState:         open.changed,
		ConnContext:       withConnection,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(serverLog{logger}, "", 0),
	}
}

// serverLog receives the messages of net/http, one line a call, mostly about
// connections that clients broke.
type serverLog struct{ log *logrus.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	l.log.WithField("detail", string(bytes.TrimSpace(line))).Warn("HTTP server message")
	return len(line), nil
}

// evictionLog is the shortest time between two log lines about evictions.
const evictionLog = 10 * time.Second

// connections bounds a server's open connections. Beyond the bound, it closes the one
// that has waited longest without a request being served, so that a client that opens
// many and sends little does not keep others out.
type connections struct {
	most int
	log  *logrus.Logger

	mu      sync.Mutex
	open    map[net.Conn]*list.Element // in waiting; nil while a request is served
	waiting *list.List                 // of net.Conn, the longest waiting first
	evicted int                        // since the last log line
	logged  time.Time
}

func newConnections(most int, log *logrus.Logger) *connections {
	return &connections{most: most, log: log, open: map[net.Conn]*list.Element{}, waiting: list.New()}
}

// changed is the server's ConnState hook. To the server a connection is active from
// its first byte, so its state does not show which clients are slow.
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
	// If all others are being served, this is the new one.
	oldest := c.waiting.Remove(c.waiting.Front()).(net.Conn)
	delete(c.open, oldest)
	_ = oldest.Close() // the server reports it as closed later
	c.evicted++
	if time.Since(c.logged) >= evictionLog {
		c.log.WithFields(logrus.Fields{"closed": c.evicted, "open": c.most}).Warn("Too many connections, closed the longest waiting")
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
