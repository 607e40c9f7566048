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

// Time limits of PostgreSQL calls. The server ends a statement before the connection
// gives up on it, and both end before the operation's own limit.
const (
	statementTimeout = 2500 * time.Millisecond
	LockTimeout      = 2 * time.Second
	idleTxTimeout    = 15 * time.Second
	connectTimeout   = 3 * time.Second
	ioTimeout        = 2700 * time.Millisecond
	OperationTimeout = 2700 * time.Millisecond
	// cancelGrace is how long a connection waits for the server to confirm a
	// cancellation before it is cut.
	cancelGrace = 100 * time.Millisecond
	// ReadTimeout bounds a call that waits for a read in another goroutine, which
	// itself ends within OperationTimeout.
	ReadTimeout = OperationTimeout + cancelGrace
	// WriteTimeout bounds a write and everything that follows its transaction, which
	// itself ends within OperationTimeout.
	WriteTimeout = OperationTimeout + 2*cancelGrace
)

// sessionSettings are the settings of every pooled session. The DSN overrides them.
var sessionSettings = map[string]string{
	"statement_timeout":                   Millis(statementTimeout),
	"lock_timeout":                        Millis(LockTimeout),
	"idle_in_transaction_session_timeout": Millis(idleTxTimeout),
	// Without statistics, the planner may decide to compile a query. That takes
	// longer than any query of the service runs.
	"jit": "off",
}

// Millis returns d in milliseconds, as PostgreSQL's settings take it.
func Millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// newConnector returns a connector whose calls end with their contexts even if the
// server is frozen; the driver by itself would wait forever for its response. No single
// read or write takes longer than io.
func newConnector(dsn string, settings map[string]string, io time.Duration) (driver.Connector, error) {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return nil, errBadDSN // the driver's message may quote the password
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

var errBadDSN = errors.New("database connection string is not valid: use a postgres:// URL or key=value pairs")

// limitedConnector opens connections that can set deadlines on their sockets.
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
		return nil, errors.New("the driver's connection lacks an interface that database/sql needs")
	}
	return &limitedConn{pqConn: session, socket: socket}, nil
}

// Driver returns the underlying driver.
func (c *limitedConnector) Driver() driver.Driver { return c.inner.Driver() }

// pqConn lists every interface of the driver's connections, so that wrapping one hides
// none of them from database/sql.
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

// limitedConn applies the deadline of each call's context to the socket.
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

// limitedDialer dials sockets whose reads and writes have time limits.
type limitedDialer struct {
	io time.Duration
}

// Dial is required by the driver's interface; the driver calls DialContext instead.
func (limitedDialer) Dial(string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// DialTimeout is required by the driver's interface, like Dial.
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
	// The handshake is part of the call that dials and shares its deadline.
	socket.ceiling, _ = ctx.Deadline()
	if p, ok := ctx.Value(socketKey{}).(**limitedSocket); ok {
		*p = socket
	}
	return socket, nil
}

// limitedSocket bounds each read and write by io and by the deadline of the call that
// the connection serves.
type limitedSocket struct {
	net.Conn
	io time.Duration

	mu      sync.Mutex
	end     time.Time // deadline of the current call; zero if it has none
	ceiling time.Time // latest deadline during the handshake; zero afterwards
}

// limit applies the deadline of ctx to the following reads and writes.
func (s *limitedSocket) limit(ctx context.Context) {
	end, ok := ctx.Deadline()
	if ok {
		end = end.Add(cancelGrace)
	}
	s.mu.Lock()
	s.end = end
	s.mu.Unlock()
}

// SetDeadline is called by the driver around its handshake: first with a deadline, then
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

// deadline returns the deadline of a read or write that begins now.
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
