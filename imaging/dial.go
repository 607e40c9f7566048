package imaging

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// newTransport gives a transport that dials allowed addresses only, through no
// proxy. Kept connections are few and short-lived; each was checked when it was
// dialled. HTTP/1.1 alone is spoken: one connection per picture is enough, and
// it has the smaller surface towards a hostile server.
func newTransport(cfg FetchConfig) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            guardedDial(cfg),
		TLSHandshakeTimeout:    cfg.Timeout,
		ResponseHeaderTimeout:  cfg.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        10 * time.Second,
	}
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

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
