package fetch

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
	// idleTime is how long an unused connection is kept.
	idleTime = 30 * time.Second
	// pingAfter is how long an HTTP/2 connection in use may be silent before it gets a
	// ping, and how long the response may take. Otherwise a dead connection would be used
	// for one picture after another.
	pingAfter = 5 * time.Second
	// http2Window is the number of unread bytes that all downloads over one HTTP/2
	// connection may have together. Each download has a part of it, so that one that
	// waits for memory does not block the others.
	http2Window = 3500 << 10
)

// newTransport returns a transport that connects only to allowed addresses, without a proxy.
// It reuses connections for the same host and port. Each address is checked when it is
// dialled. The transport uses HTTP/2 if a host offers it over TLS. It uses a connection only
// for the host and port that it was made for, even if the certificate has other names.
func newTransport(cfg Config) *http.Transport {
	dialer := &countingDialer{dial: guardedDial(cfg), limit: int64(cfg.KeptConnections)}
	t := &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.dialContext,
		ForceAttemptHTTP2:      true, // a custom DialContext would disable HTTP/2
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
	dialer.tooMany = t.CloseIdleConnections
	return t
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// countingDialer counts open connections and has the idle ones closed when there are too
// many. http.Transport itself bounds only those of HTTP/1.1.
type countingDialer struct {
	dial    dialFunc
	limit   int64
	open    atomic.Int64
	tooMany func()
}

// dialContext opens a connection and counts it until it is closed.
func (d *countingDialer) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.open.Add(1) > d.limit {
		d.tooMany()
	}
	return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { d.open.Add(-1) })}, nil
}

// countedConn calls closed when it is closed.
type countedConn struct {
	net.Conn

	closed func()
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// guardedDial returns a dial function that checks each address right before it connects. A
// host may have several addresses: if one is forbidden, the error says so even if another
// one did not respond, because a further attempt cannot help.
func guardedDial(cfg Config) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		forbidden := make(chan error, 1) // the dialer calls Control from several goroutines
		dialer := net.Dialer{
			Timeout:  min(cfg.Timeout, 5*time.Second),
			Resolver: &net.Resolver{PreferGo: true},
			Control: func(_, address string, _ syscall.RawConn) error {
				err := checkEndpoint(address, cfg.AllowCIDRs)
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

// checkEndpoint checks the IP address of an address with a port.
func checkEndpoint(address string, extra []netip.Prefix) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrForbiddenAddress
	}
	return CheckAddress(endpoint.Addr(), extra)
}
