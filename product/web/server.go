package web

import (
	"bytes"
	"log"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// maxConnections is how many a server keeps open at once. Each costs some 20 KiB.
const maxConnections = 4096

// NewServer gives a server for handler with limits on what one connection may
// take: 5 s for a request's header and 15 s for all of it, 30 s for the answer, 90
// s of silence between requests (more than load balancers keep a connection, so
// that they are the ones to close it), and 32 KiB of header. Of more than 4,096
// connections those are closed that have waited longest without a whole header. The
// caller listens, serves and shuts down.
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

// serverLog takes what net/http has to say, a line a call, mostly of connections
// that clients broke.
type serverLog struct{ log *logrus.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	l.log.WithField("detail", string(bytes.TrimSpace(line))).Warn("HTTP server reported")
	return len(line), nil
}
