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

// hosts knows which of the hosts that pictures come from fail at the moment, so
// that their pictures wait instead of using up their tries. Safe for concurrent use.
type hosts struct {
	log *logrus.Logger

	mu       sync.Mutex
	breakers map[string]*gobreaker.TwoStepCircuitBreaker[struct{}]
}

func newHosts(log *logrus.Logger) *hosts {
	return &hosts{log: log, breakers: map[string]*gobreaker.TwoStepCircuitBreaker[struct{}]{}}
}

// ask says whether the source's host may be asked now: with an [*Error] that puts
// the picture off, or with a function that has to be told how asking it ended.
func (h *hosts) ask(source string) (ended func(error), err error) {
	u, err := url.Parse(source)
	if err != nil {
		return func(error) {}, nil //nolint:nilerr // the fetcher explains what is wrong with it
	}
	ended, err = h.breaker(strings.ToLower(u.Host)).Allow()
	if err != nil {
		return nil, &Error{
			Code: CodeSourceUnavailable, Stage: StageFetch, Transient: true, Ours: true, RetryAfter: hostPause,
			Detail: fmt.Sprintf("%s has been failing; it is asked again later", u.Hostname()), Err: err,
		}
	}
	return ended, nil
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
