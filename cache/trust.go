package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFailures in a row open the breaker: no call goes to Redis until a
	// probe has got an answer.
	maxFailures = 3
	// quarantine, in probes, is the time after which all replicas have seen
	// that Redis is back: one probe may have to wait for the next, the next may
	// take its whole time, and one is spare.
	quarantine = 3
	// vouching, in probes, is how long a look at Config.Settled speaks for what
	// is read: the next look comes a probe later and may take another one.
	vouching = 3
)

// Why a Redis that answers is not trusted yet.
var (
	errRecent    = errors.New("it has answered for a short time only")
	errUnsettled = errors.New("invalidations are waiting")
)

// standing is what is known of the server at one moment. It is never changed:
// an event makes a new one, so that comparing pointers tells whether anything
// has happened in between.
type standing struct {
	server  string    // short run id; empty while unknown or while the breaker is open
	trusted bool      // reads may be answered; implies server
	since   time.Time // server has answered and no call has failed since then; zero before
}

type trust struct {
	current  atomic.Pointer[standing]
	mu       sync.Mutex // held where current changes
	failures atomic.Int32
	wake     chan struct{} // tells Run that trust was lost
	begin    time.Time     // of the clock that vouched shows
	vouched  atomic.Int64  // when the last good look at Config.Settled began
}

func newTrust() *trust {
	t := &trust{wake: make(chan struct{}, 1), begin: time.Now()}
	t.current.Store(&standing{})
	return t
}

func (t *trust) now() *standing { return t.current.Load() }

// vouch notes a look at Config.Settled that began at that time.
func (t *trust) vouch(begun time.Time) { t.vouched.Store(int64(begun.Sub(t.begin))) }

// fresh says whether the last look began less than limit ago. A process that was
// frozen finds on waking that it did not.
func (t *trust) fresh(limit time.Duration) bool {
	return time.Since(t.begin)-time.Duration(t.vouched.Load()) < limit
}

// dialled forgets the server: who answers on a new connection is to be found out.
func (t *trust) dialled() {
	t.mu.Lock()
	t.current.Store(&standing{})
	t.mu.Unlock()
	t.lost()
}

// failed ends trust. A write of this or another replica may have failed as well.
func (t *trust) failed() {
	t.mu.Lock()
	next := &standing{}
	if now := t.now(); t.failures.Add(1) < maxFailures {
		next.server = now.server
	}
	t.current.Store(next)
	t.mu.Unlock()
	t.lost()
}

func (t *trust) succeeded() {
	if t.failures.Load() != 0 {
		t.failures.Store(0)
	}
}

func (t *trust) lost() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// change replaces from by to, unless something has happened since from.
func (t *trust) change(from, to *standing) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current.CompareAndSwap(from, to)
}

// Run looks at Redis every Config.Probe and decides whether it is trusted. It
// blocks until ctx ends.
//
// Trust is lost with any failed call and any new connection. It comes back when
// Redis has answered without a failure for three probes and then Config.Settled
// says yes. The order matters: a write that cannot reach Redis has its
// invalidation recorded before it is acknowledged, and after three probes every
// replica knows that Redis is back. So each such write either has been recorded,
// and Settled sees it, or is going to remove its key from the Redis that is back.
//
// Settled is asked with every probe, and trust ends as soon as it says no, or
// when it was not asked for three probes. So a replica which alone cannot reach
// Redis has only to wait before it acknowledges its writes: see [Cache.Lag].
// While Settled gives errors the database is out of reach, and trust stays: what
// is cached can still be read then. Only where one replica is cut off from Redis
// while another is cut off from the database may the latter read old values.
//
// A server with another run id begins without keys, and may lack the tombstones
// of writes that are going on. The three probes are for them, too: by then they
// have committed, or end with a call to the new server.
func (c *Cache) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last error
	for first := true; ; first = false {
		var woken <-chan struct{}
		if last == nil {
			woken = c.trust.wake // while Redis fails, each probe would wake the next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-woken:
			if !pause(ctx, c.cfg.Probe/10) { // many calls fail together
				return nil
			}
		}
		select {
		case <-c.trust.wake: // this probe answers it
		default:
		}
		err := c.probe(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.logChange(first, last, err)
		last = err
		timer.Reset(c.cfg.Probe)
	}
}

// Lag is how long a replica may go on reading from the cache after an
// invalidation was recorded that nobody has done yet. A write whose Forbid,
// Replace or Drop failed is acknowledged when its invalidation was done, or after
// that time: from then on every replica has done without the cache, or will see
// the record before it trusts the cache again.
func (c *Cache) Lag() time.Duration { return vouching * c.cfg.Probe }

// probe gives nil when Redis is trusted at its end.
func (c *Cache) probe(ctx context.Context) error {
	now, err := c.identify(ctx)
	if err != nil {
		return err
	}
	if !now.trusted && time.Since(now.since) < quarantine*c.cfg.Probe {
		return errRecent
	}
	begun := time.Now() // after Redis was seen to answer
	limit := c.cfg.LoadTimeout
	if now.trusted {
		limit = c.cfg.Probe // so that the next look is not late
	}
	settled, err := c.settled(ctx, limit)
	switch {
	case err != nil && !now.trusted:
		return fmt.Errorf("waiting invalidations: %w", err)
	case err == nil && !settled:
		c.trust.change(now, &standing{server: now.server, since: now.since})
		return errUnsettled
	}
	c.trust.vouch(begun)
	if !now.trusted && !c.trust.change(now, &standing{server: now.server, trusted: true, since: now.since}) {
		return fmt.Errorf("%w: failed again", ErrUnavailable)
	}
	return nil
}

func (c *Cache) settled(ctx context.Context, limit time.Duration) (bool, error) {
	if c.cfg.Settled == nil {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.cfg.Settled(ctx)
}

// trusts says whether what a call that begins now reads may be shown.
func (c *Cache) trusts(now *standing) bool { return now.trusted && c.trust.fresh(c.Lag()) }

// identify finds out which server answers.
func (c *Cache) identify(ctx context.Context) (*standing, error) {
	for {
		before := c.trust.now()
		server, err := c.runID(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.trust.failed()
			}
			return nil, err
		}
		if server == before.server && !before.since.IsZero() && c.trust.now() == before {
			return before, nil
		}
		found := &standing{server: server, since: time.Now()}
		// The question is asked again if it has itself opened a new connection.
		if c.trust.change(before, found) {
			c.trust.succeeded()
			return found, nil
		}
	}
}

// runID gives the first 12 of the 40 hexadecimal digits that a Redis process
// makes up when it starts.
func (c *Cache) runID(ctx context.Context) (string, error) {
	limit := c.cfg.Timeout
	if c.trust.now().server == "" {
		limit = max(limit, c.cfg.Probe) // there may be a connection to open
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	info, err := c.client.Do(ctx, c.client.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return "", fmt.Errorf("%w: info: %w", ErrUnavailable, err)
	}
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok && len(id) >= 12 {
			return id[:12], nil
		}
	}
	return "", fmt.Errorf("%w: the server does not tell its run_id", ErrUnavailable)
}

// logChange logs when trust comes and goes, and each new reason, once.
func (c *Cache) logChange(first bool, last, err error) {
	switch {
	case err == nil && (first || last != nil):
		c.log.WithField("server", c.trust.now().server).Info("cache is trusted")
	case err == nil || !first && last != nil && errors.Is(reason(err), reason(last)):
	case errors.Is(err, errRecent):
		c.log.Info("cache answers and is not trusted yet")
	default:
		c.log.WithError(err).Warn("cache is not trusted")
	}
}

func reason(err error) error {
	for _, known := range []error{errRecent, errUnsettled, ErrUnavailable} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// pause waits for d and says whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
