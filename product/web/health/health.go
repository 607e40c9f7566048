// Package health checks the dependencies of the process and reports whether it is ready
// for requests.
//
// It imports no package of the project. Begin with [Health.Report].
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	checkTimeout = time.Second
	// checkFresh is how long a result is used again, so that probes cost the
	// dependencies at most one check a second.
	checkFresh = time.Second
)

// Check is one line of /readyz: a dependency, or a step of the start such as the schema.
type Check struct {
	Name string
	// Required checks decide whether the process is ready; the service works without
	// the others.
	Required bool
	// Check returns nil if the dependency can be used. It should return when its
	// context ends, after one second. Its error is logged; clients see only its kind.
	Check func(ctx context.Context) error
}

// Health runs the checks and keeps the last results. It is safe for concurrent use.
type Health struct {
	draining func() bool
	log      *logrus.Logger
	probes   []*probe

	mu     sync.Mutex // held while checks run: other requests wait for the same result
	taken  time.Time
	result []dependency
}

// probe is a check with the state of its last call.
type probe struct {
	Check
	free chan struct{} // holds one element while no call is running
	was  string        // last status, for the log
}

// dependency is the result of a check in /readyz.
type dependency struct {
	name     string
	Status   string `json:"status"` // up or down
	Required bool   `json:"required"`
	Error    string `json:"error,omitempty"`
}

// New returns the health of the process, with the results of checks in their order.
// draining reports whether the process is about to end; nil means never.
func New(checks []Check, draining func() bool, log *logrus.Logger) *Health {
	h := &Health{draining: draining, log: log}
	if h.draining == nil {
		h.draining = func() bool { return false }
	}
	for _, c := range checks {
		p := &probe{Check: c, free: make(chan struct{}, 1)}
		p.free <- struct{}{}
		h.probes = append(h.probes, p)
	}
	return h
}

// Report returns the state of the process and of its dependencies. The process is not
// ready while it is draining or a required dependency is down.
func (h *Health) Report(ctx context.Context) Report {
	r := Report{Status: ready, Draining: h.draining(), Dependencies: h.check(ctx)}
	for _, d := range r.Dependencies {
		if d.Required && d.Status != "up" {
			r.Status = "not ready"
		}
	}
	if r.Draining {
		r.Status = "not ready"
	}
	return r
}

// check returns the dependencies' state, at most checkFresh old.
func (h *Health) check(ctx context.Context) []dependency {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.result != nil && time.Since(h.taken) < checkFresh {
		return h.result
	}
	// Other requests share the result, so a client that disconnects must not end the checks.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	result := make([]dependency, len(h.probes))
	var wg sync.WaitGroup
	for i, p := range h.probes {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := p.run(ctx)
			result[i] = dependency{name: p.Name, Status: "up", Required: p.Required}
			if err != nil {
				result[i].Status, result[i].Error = "down", kindOf(err)
			}
			h.note(p, result[i].Status, err)
		}()
	}
	wg.Wait()
	h.result, h.taken = result, time.Now()
	return result
}

// errStillRunning is returned while an earlier call of the check has not returned.
var errStillRunning = fmt.Errorf("the previous check is still running: %w", context.DeadlineExceeded)

// run calls the check and returns by the end of ctx even if the check does not; the
// check is not called again before it has returned.
func (p *probe) run(ctx context.Context) error {
	select {
	case <-p.free:
	default:
		return errStillRunning
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if value := recover(); value != nil {
				done <- fmt.Errorf("check panicked: %v", value)
			}
			p.free <- struct{}{}
		}()
		done <- p.Check.Check(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note logs the change of a check's state.
func (h *Health) note(p *probe, status string, err error) {
	if p.was == status {
		return
	}
	p.was = status
	entry := h.log.WithFields(logrus.Fields{"dependency": p.Name, "required": p.Required})
	if err != nil {
		entry.WithError(err).Warn("Dependency is down")
		return
	}
	entry.Info("Dependency is up")
}

// kindOf returns the kind of an error without its text, which may contain addresses and
// account names: probes are not authenticated.
func kindOf(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns):
		return "host not found"
	}
	return "unavailable"
}

// Report is the JSON of /readyz.
type Report struct {
	Status       string       `json:"status"` // ready or not ready
	Draining     bool         `json:"draining,omitempty"`
	Dependencies dependencies `json:"dependencies"`
}

// Ready reports whether the process is ready for requests.
func (r Report) Ready() bool { return r.Status == ready }

const ready = "ready"

// dependencies is an object in the order of the checks.
type dependencies []dependency

// MarshalJSON writes the members under the checks' names.
func (d dependencies) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, dep := range d {
		name, err := json.Marshal(dep.name)
		if err != nil {
			return nil, err
		}
		state, err := json.Marshal(dep)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), state...)
	}
	return append(out, '}'), nil
}
