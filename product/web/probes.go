package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"vitrine/product/web/body"
)

// The paths of the probes.
const (
	routeHealth = "/healthz"
	routeReady  = "/readyz"
)

// healthz reports that the process is alive, whatever the state of its dependencies,
// which a restart would not repair.
func (a *api) healthz(w http.ResponseWriter, r *http.Request) error {
	write(w, r, http.StatusOK, body.JSON, []byte("{\"status\":\"ok\"}\n"))
	return nil
}

// readyz tells load balancers whether to send requests here: 200 or 503.
func (a *api) readyz(w http.ResponseWriter, r *http.Request) error {
	report, status := a.health.Report(r.Context()), http.StatusOK
	if !report.Ready() {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	encoded, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode readiness: %w", err)
	}
	write(w, r, status, body.JSON, append(encoded, '\n'))
	return nil
}

const probeTimeout = 2 * time.Second

// Probe returns nil if the service on addr, its host:port to listen on, is alive, and
// the reason otherwise, within two seconds. It serves container probes.
func Probe(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+routeHealth, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", routeHealth, resp.Status)
	}
	return nil
}
