package imaging

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
)

const (
	// hostFailures in a row close a host for hostPause; then one picture at a
	// time tries it again.
	hostFailures = 5
	hostPause    = 15 * time.Second
	// maxHostDeferrals is how often a picture is put off in a row before it is
	// tried all the same: its host may be down for good, and every picture has to
	// end.
	maxHostDeferrals = 10
	// maxHosts bounds how many hosts are remembered.
	maxHosts = 10_000
)

// hosts knows which of the hosts that pictures come from are busy or fail at the
// moment, so that their pictures wait instead of using up workers and their tries.
// Safe for concurrent use.
type hosts struct {
	log   *logrus.Logger
	lines *hostLines

	mu       sync.Mutex
	breakers map[string]*gobreaker.TwoStepCircuitBreaker[struct{}]
}

// newHosts bounds the downloads from one host at once to limit.
func newHosts(limit int, log *logrus.Logger) *hosts {
	return &hosts{
		log: log, lines: newHostLines(limit),
		breakers: map[string]*gobreaker.TwoStepCircuitBreaker[struct{}]{},
	}
}

// ask says whether the source's host may be asked now: with an [*Error] that puts
// the picture off, or with a function that has to be told how asking it ended. A
// picture that was put off several times is given more: see [hostLines], and in the
// end a failing host is asked all the same.
func (h *hosts) ask(ctx context.Context, source string, deferrals int) (ended func(error), err error) {
	u, err := url.Parse(source)
	if err != nil {
		return func(error) {}, nil //nolint:nilerr // the fetcher explains what is wrong with it
	}
	host := strings.ToLower(u.Host)
	leave, wait, err := h.lines.enter(ctx, host, deferrals)
	if err != nil {
		return nil, err
	}
	if leave == nil {
		return nil, &Error{
			Code: CodeSourceUnavailable, Stage: StageFetch, Transient: true, Ours: true, RetryAfter: wait,
			Detail: fmt.Sprintf("%d other pictures are being fetched from %s; this one waits its turn", h.lines.limit, u.Hostname()),
		}
	}
	told, err := h.breaker(host).Allow()
	switch {
	case err == nil:
		return func(err error) { leave(); told(err) }, nil
	case deferrals >= maxHostDeferrals:
		return func(error) { leave() }, nil
	}
	leave()
	return nil, &Error{
		Code: CodeSourceUnavailable, Stage: StageFetch, Transient: true, Ours: true, RetryAfter: hostPause,
		Detail: fmt.Sprintf("%s has been failing; it is asked again later", u.Hostname()), Err: err,
	}
}

// hostFailing says whether a picture was put off because its host has been failing.
func hostFailing(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

func (h *hosts) breaker(host string) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.breakers[host]; b != nil {
		return b
	}
	if len(h.breakers) >= maxHosts {
		clear(h.breakers) // what fails is found out again soon
	}
	b := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         host,
		Timeout:      hostPause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= hostFailures },
		IsSuccessful: func(err error) bool { return !hostFailed(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(host string, _, to gobreaker.State) {
			h.log.WithFields(logrus.Fields{"host": host, "state": to.String()}).Warn("Picture host changed its state")
		},
	})
	h.breakers[host] = b
	return b
}

// hostFailed tells a host that does not work from one that refuses a picture.
func hostFailed(err error) bool {
	var known *Error
	if !errors.As(err, &known) || known.Ours || !known.Transient {
		return false
	}
	switch known.Code {
	case CodeHostNotFound, CodeConnectFailed, CodeFetchTimeout, CodeSourceUnavailable:
		return true
	}
	return false
}

// download is [Fetcher.Fetch] for a picture that can wait while its host is
// busy or failing; deferrals says how often it has. It waits for memory as well.
func (w *Worker) download(ctx context.Context, source string, known Validators, deferrals int) (src Source, release func(), err error) {
	ended, err := w.hosts.ask(ctx, source, deferrals)
	if err != nil {
		return Source{}, func() {}, err
	}
	defer func() { ended(err) }()
	return w.fetch.Fetch(ctx, source, known, w.process.Reserve)
}
