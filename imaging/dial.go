package imaging

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// idleTime is how long a connection waits for the next picture of its host.
	idleTime = 30 * time.Second
	// pingAfter is how long an HTTP/2 connection in use may be silent before it is
	// asked whether it is still alive, and how long it may take to answer. A dead one
	// must not be given to one picture after the other.
	pingAfter = 5 * time.Second
	// http2Window is how much of all pictures that come over one HTTP/2 connection
	// may have been sent without being read: each has its part, so that one that
	// waits for memory does not hold up the others.
	http2Window = 3500 << 10
)

// newTransport gives a transport that dials allowed addresses only, through no
// proxy, and keeps connections for the next picture of the same host and port.
// Each was checked when it was dialled. HTTP/2 is spoken where a host offers it
// over TLS, and a connection serves the host and port alone that it was made for:
// that its certificate has other names is of no account.
func newTransport(cfg FetchConfig) *http.Transport {
	dial := &keptDial{dial: guardedDial(cfg), limit: int64(cfg.KeptConnections)}
	t := &http.Transport{
		Proxy:                  nil,
		DialContext:            dial.context,
		ForceAttemptHTTP2:      true, // not by itself with a dialer of one's own
		TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    cfg.Timeout,
		ResponseHeaderTimeout:  cfg.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		MaxIdleConns:           cfg.KeptConnections,
		MaxIdleConnsPerHost:    cfg.HostConnections,
		IdleConnTimeout:        idleTime,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:               min(pingAfter, cfg.Timeout/4),
			PingTimeout:                   min(pingAfter, cfg.Timeout/4),
			WriteByteTimeout:              min(pingAfter, cfg.Timeout/4),
			MaxReceiveBufferPerConnection: http2Window,
			MaxReceiveBufferPerStream:     min(http2Window/cfg.HostConnections, 512<<10),
		},
	}
	dial.tooMany = t.CloseIdleConnections
	return t
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// keptDial counts the open connections and has idle ones closed when they get too
// many: http.Transport bounds those of HTTP/1.1 only.
type keptDial struct {
	dial    dialFunc
	limit   int64
	open    atomic.Int64
	tooMany func()
}

func (k *keptDial) context(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := k.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if k.open.Add(1) > k.limit {
		k.tooMany()
	}
	return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { k.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn

	closed func()
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// guardedDial gives a dialer that checks each address right before it connects. A
// host may have several: the error then names the forbidden one even where
// another one merely did not answer, since trying again cannot help.
func guardedDial(cfg FetchConfig) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		forbidden := make(chan error, 1) // the dialer calls Control from several goroutines
		dialer := net.Dialer{
			Timeout:  min(cfg.Timeout, 5*time.Second),
			Resolver: &net.Resolver{PreferGo: true},
			Control: func(_, address string, _ syscall.RawConn) error {
				err := allowedEndpoint(address, cfg.AllowCIDRs)
				if err != nil {
					select {
					case forbidden <- err:
					default:
					}
				}
				return err
			},
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		select {
		case refusal := <-forbidden:
			return nil, errors.Join(refusal, err)
		default:
			return nil, err
		}
	}
}

func allowedEndpoint(address string, extra []netip.Prefix) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrForbiddenAddress
	}
	return Allowed(endpoint.Addr(), extra)
}
