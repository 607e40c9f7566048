package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// Times that bound what PostgreSQL may take. The server ends a statement before
// the connection gives up on it, and both end before an operation's own limit.
const (
	statementTimeout = 2500 * time.Millisecond
	LockTimeout      = 2 * time.Second
	idleTxTimeout    = 15 * time.Second
	connectTimeout   = 3 * time.Second
	ioTimeout        = 2700 * time.Millisecond
	OperationTimeout = 2700 * time.Millisecond
	// After a context's end the server's answer to the cancellation is waited
	// for this long before the connection is cut.
	CutGrace = 100 * time.Millisecond
)

// sessionSettings are what every pooled session runs with unless the DSN says
// otherwise.
var sessionSettings = map[string]string{
	"statement_timeout":                   Millis(statementTimeout),
	"lock_timeout":                        Millis(LockTimeout),
	"idle_in_transaction_session_timeout": Millis(idleTxTimeout),
	// Compiling a query, which a planner without statistics believes to be worth
	// it, takes longer than any of ours runs.
	"jit": "off",
}

func Millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// newConnector makes a connector whose connections end when their contexts do,
// also when the server is frozen: the driver alone waits for its answer for ever.
// No single read or write takes longer than io.
func newConnector(dsn string, settings map[string]string, io time.Duration) (driver.Connector, error) {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return nil, errBadDSN // the driver's own words may quote the password
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = "vitrine"
	}
	runtime := maps.Clone(settings)
	for name := range runtime {
		if strings.Contains(cfg.Options, name) {
			delete(runtime, name)
		}
	}
	maps.Copy(runtime, cfg.Runtime)
	cfg.Runtime = runtime
	inner, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, errBadDSN
	}
	inner.Dialer(limitedDialer{io: io})
	return &limitedConnector{inner: inner}, nil
}

var errBadDSN = errors.New("the database's connection string cannot be read")

// limitedConnector hands out connections that know their socket.
type limitedConnector struct {
	inner driver.Connector
}

type socketKey struct{}

// Connect opens a session.
func (c *limitedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	var socket *limitedSocket
	conn, err := c.inner.Connect(context.WithValue(ctx, socketKey{}, &socket))
	if err != nil {
		return nil, err
	}
	session, ok := conn.(pqConn)
	if !ok || socket == nil {
		_ = conn.Close()
		return nil, errors.New("the driver's connection lacks what database/sql needs")
	}
	return &limitedConn{pqConn: session, socket: socket}, nil
}

// Driver gives the driver below.
func (c *limitedConnector) Driver() driver.Driver { return c.inner.Driver() }

// pqConn is all that the driver's connections can do, so that wrapping one
// hides nothing of it from database/sql.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// limitedConn puts the end of each call's context on the socket.
type limitedConn struct {
	pqConn
	socket *limitedSocket
}

func (c *limitedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.socket.limit(ctx)
	return c.pqConn.BeginTx(ctx, opts)
}

func (c *limitedConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	c.socket.limit(ctx)
	return c.pqConn.ExecContext(ctx, q, args)
}

func (c *limitedConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	c.socket.limit(ctx)
	return c.pqConn.QueryContext(ctx, q, args)
}

func (c *limitedConn) Ping(ctx context.Context) error {
	c.socket.limit(ctx)
	return c.pqConn.Ping(ctx)
}

// limitedDialer dials sockets whose every read and write ends.
type limitedDialer struct {
	io time.Duration
}

// Dial and DialTimeout are asked for by the driver, which then calls DialContext.
func (limitedDialer) Dial(string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

func (limitedDialer) DialTimeout(string, string, time.Duration) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

func (d limitedDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var plain net.Dialer
	conn, err := plain.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	socket := &limitedSocket{Conn: conn, io: d.io}
	// The handshake belongs to the call that dials: it ends with it.
	socket.ceiling, _ = ctx.Deadline()
	if p, ok := ctx.Value(socketKey{}).(**limitedSocket); ok {
		*p = socket
	}
	return socket, nil
}

// limitedSocket bounds each read and write by io and by the end of the call that
// the connection serves.
type limitedSocket struct {
	net.Conn
	io time.Duration

	mu      sync.Mutex
	end     time.Time // of the call; zero: none
	ceiling time.Time // that no deadline may pass during the handshake
}

// limit makes the end of ctx that of the reads and writes to come.
func (s *limitedSocket) limit(ctx context.Context) {
	end, ok := ctx.Deadline()
	if ok {
		end = end.Add(CutGrace)
	}
	s.mu.Lock()
	s.end = end
	s.mu.Unlock()
}

// SetDeadline is called by the driver round its handshake: with its end, then
// with zero.
func (s *limitedSocket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.IsZero() {
		s.ceiling = time.Time{}
	} else if !s.ceiling.IsZero() && s.ceiling.Before(t) {
		t = s.ceiling
	}
	s.end = t
	return s.Conn.SetDeadline(t)
}

func (s *limitedSocket) deadline() time.Time {
	d := time.Now().Add(s.io)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.end.IsZero() && s.end.Before(d) {
		return s.end
	}
	return d
}

func (s *limitedSocket) Read(b []byte) (int, error) {
	if err := s.SetReadDeadline(s.deadline()); err != nil {
		return 0, err
	}
	return s.Conn.Read(b)
}

func (s *limitedSocket) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(s.deadline()); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}

// writeTimeout bounds a write with all that follows its transaction, which itself
// ends within operationTimeout.
const WriteTimeout = OperationTimeout + 2*CutGrace
