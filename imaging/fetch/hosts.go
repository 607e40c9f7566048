package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sony/gobreaker/v2"

	"vitrine/imaging"
)

const (
	// hostFailures in a row stop downloads from a host for HostPause. After that one
	// download at a time tests it.
	hostFailures = 5
	// HostPause is the time for which nothing is downloaded from a failing host.
	HostPause = 15 * time.Second
	// maxHostDeferrals is the number of deferrals in a row after which an image is
	// downloaded even though its host is failing. The host may be down for good, and no
	// image may stay pending for ever.
	maxHostDeferrals = 10
	// maxHosts bounds the number of hosts whose failures are remembered.
	maxHosts = 10_000
)

// Hosts downloads from many hosts. It defers images whose host is busy or failing, so that
// they use up neither workers nor attempts. Safe for concurrent use.
type Hosts struct {
	fetcher *Fetcher
	log     *logrus.Logger
	queues  *hostQueues

	mu       sync.Mutex
	breakers map[string]*gobreaker.TwoStepCircuitBreaker[struct{}]
}

// NewHosts returns Hosts that download with fetcher.
func NewHosts(fetcher *Fetcher, log *logrus.Logger) *Hosts {
	return &Hosts{
		fetcher: fetcher, log: log, queues: newHostQueues(fetcher.cfg.HostConnections),
		breakers: map[string]*gobreaker.TwoStepCircuitBreaker[struct{}]{},
	}
}

// Fetch downloads like [Fetcher.Fetch]. If the source's host is busy or failing, it returns
// an [*imaging.Error] that defers the image without counting an attempt. deferrals is the number of
// times in a row that the image has been deferred: the more, the longer it waits for a busy
// host. After ten of them it is downloaded from a failing host too.
func (h *Hosts) Fetch(
	ctx context.Context, source string, known imaging.Validators, deferrals int, reserve Reserve,
) (src Source, release func(), err error) {
	done, err := h.admit(ctx, source, deferrals)
	if err != nil {
		return Source{}, func() {}, err
	}
	defer func() { done(err) }()
	return h.fetcher.Fetch(ctx, source, known, reserve)
}

// admit returns an [*imaging.Error] that defers the image, or the function that must be called with
// the result of the download.
func (h *Hosts) admit(ctx context.Context, source string, deferrals int) (done func(error), err error) {
	u, err := url.Parse(source)
	if err != nil {
		return func(error) {}, nil //nolint:nilerr // the fetcher returns the proper error
	}
	host := strings.ToLower(u.Host)
	leave, wait, err := h.queues.enter(ctx, host, deferrals)
	if err != nil {
		return nil, err
	}
	if leave == nil {
		return nil, &imaging.Error{
			Code: imaging.CodeSourceUnavailable, Stage: imaging.StageFetch, Transient: true, Ours: true, RetryAfter: wait,
			Detail: fmt.Sprintf("%d other images are being downloaded from %s; this one waits its turn", h.queues.limit, u.Hostname()),
		}
	}
	report, err := h.breaker(host).Allow()
	switch {
	case err == nil:
		return func(err error) { leave(); report(err) }, nil
	case deferrals >= maxHostDeferrals:
		return func(error) { leave() }, nil
	}
	leave()
	return nil, &imaging.Error{
		Code: imaging.CodeSourceUnavailable, Stage: imaging.StageFetch, Transient: true, Ours: true, RetryAfter: HostPause,
		Detail: fmt.Sprintf("%s keeps failing; the download will be retried later", u.Hostname()), Err: err,
	}
}

// IsHostFailing reports whether an image was deferred because its host is failing.
func IsHostFailing(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

func (h *Hosts) breaker(host string) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.breakers[host]; b != nil {
		return b
	}
	if len(h.breakers) >= maxHosts {
		clear(h.breakers) // failing hosts are soon noticed again
	}
	b := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         host,
		Timeout:      HostPause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= hostFailures },
		IsSuccessful: func(err error) bool { return !hostFailed(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(host string, _, to gobreaker.State) {
			h.log.WithFields(logrus.Fields{"host": host, "state": to.String()}).Warn("Image host changed state")
		},
	})
	h.breakers[host] = b
	return b
}

// hostFailed reports whether an error is the fault of the host rather than of one picture.
func hostFailed(err error) bool {
	var known *imaging.Error
	if !errors.As(err, &known) || known.Ours || !known.Transient {
		return false
	}
	switch known.Code {
	case imaging.CodeHostNotFound, imaging.CodeConnectFailed, imaging.CodeFetchTimeout, imaging.CodeSourceUnavailable:
		return true
	}
	return false
}
