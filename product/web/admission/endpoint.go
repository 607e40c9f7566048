package admission

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// Endpoint is a server with the address that it listens on.
type Endpoint struct {
	*http.Server
	listener net.Listener
}

// Listen takes the address, so that a taken one is an error at the start. Addr of the
// endpoint has the port chosen for ":0". See [NewServer] for the limits.
func Listen(ctx context.Context, addr string, handler http.Handler, log *logrus.Logger) (*Endpoint, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Endpoint{NewServer(listener.Addr().String(), handler, log), listener}, nil
}

// Run serves until the server is closed.
func (e *Endpoint) Run(context.Context) error {
	if err := e.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Drain serves for delay, in which load balancers notice, and then lets the requests under
// way finish within grace. Requests that take longer are cut off, which is an error.
func (e *Endpoint) Drain(ctx context.Context, delay, grace time.Duration) error {
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), e.Close())
	}
	return nil
}

// Close closes the listener and every connection. It may be called twice, and before Run.
func (e *Endpoint) Close() error {
	err := e.Server.Close()
	_ = e.listener.Close() // the server has closed it, if it ran
	return err
}
