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
	// maxFailures is the number of consecutive failures that open the breaker: then
	// no call is made until a probe succeeds.
	maxFailures = 3
	// quarantine, in probes, is the time after which every replica has noticed
	// that Redis is back: up to one probe until the next begins, up to one for it
	// to finish, and one to spare.
	quarantine = 3
	// vouching, in probes, is how long a result of Config.Settled is valid for
	// reads: the next call begins a probe later and may take another probe.
	vouching = 3
)

// Reasons why a Redis that responds is not trusted yet.
var (
	errRecent    = errors.New("the server started too recently")
	errUnsettled = errors.New("invalidations are pending")
)

// standing is what is known about the server at one moment. It is immutable: every
// event replaces it, so comparing pointers shows whether anything happened in between.
type standing struct {
	server  string    // short run id; empty while unknown or while the breaker is open
	trusted bool      // reads may be served; implies server
	since   time.Time // server has responded since then and no call has failed; zero before
}

type trust struct {
	current  atomic.Pointer[standing]
	mu       sync.Mutex // held while current changes
	failures atomic.Int32
	wake     chan struct{} // signals Run that trust was lost
	begin    time.Time     // the zero of vouched
	vouched  atomic.Int64  // when the last successful call of Config.Settled began
}

func newTrust() *trust {
	t := &trust{wake: make(chan struct{}, 1), begin: time.Now()}
	t.current.Store(&standing{})
	return t
}

func (t *trust) now() *standing { return t.current.Load() }

// vouch records a successful call of Config.Settled that began at that time.
func (t *trust) vouch(begun time.Time) { t.vouched.Store(int64(begun.Sub(t.begin))) }

// fresh reports whether the last recorded call of Config.Settled began less than limit
// ago. In a process that was frozen it is false on waking.
func (t *trust) fresh(limit time.Duration) bool {
	return time.Since(t.begin)-time.Duration(t.vouched.Load()) < limit
}

// dialled forgets the server, because a new connection may lead to another one.
func (t *trust) dialled() {
	t.mu.Lock()
	t.current.Store(&standing{})
	t.mu.Unlock()
	t.lost()
}

// failed ends trust, because writes of this or another replica may have failed too.
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

// change replaces from by to and reports true, unless current is no longer from.
func (t *trust) change(from, to *standing) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current.CompareAndSwap(from, to)
}

// Run probes Redis every Config.Probe and decides whether it is trusted. It blocks
// until ctx ends, and then returns nil.
//
// Trust is lost with every failed call and every new connection. It returns when
// Redis has responded without a failure for three probes and Config.Settled then
// reports true. The order matters: a write that cannot reach Redis records its
// invalidation before it is acknowledged, and after three probes every replica knows
// that Redis is back. So each such write has either been recorded, and Settled takes
// it into account, or it will remove its key from Redis itself.
//
// Run calls Settled in every probe. Trust ends as soon as Settled reports false, or
// has not been called for three probes. So a replica that alone cannot reach Redis
// only has to wait before it acknowledges its writes: see [Cache.Lag]. While Settled
// returns errors the database is unreachable and trust stays, so cached values can
// still be read. Only if one replica cannot reach Redis while another cannot reach
// the database may the latter read old values.
//
// A server with a new run id begins without keys, and may lack the tombstones of
// writes in progress. The three probes cover those too: by then such writes have
// committed, or will end with a call to the new server.
func (c *Cache) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last error
	for first := true; ; first = false {
		var woken <-chan struct{}
		if last == nil {
			woken = c.trust.wake // while Redis fails, every probe would wake the next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-woken:
			if !pause(ctx, c.cfg.Probe/10) { // many calls fail at the same time
				return nil
			}
		}
		select {
		case <-c.trust.wake: // this probe handles it
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

// Lag returns how long a replica may still read from the cache after an invalidation
// has been recorded but not made. A write whose Forbid, Replace or Drop failed may be
// acknowledged once its invalidation is made, or after this time: by then every
// replica has stopped reading from the cache, and will take the record into account
// before it trusts the cache again.
func (c *Cache) Lag() time.Duration { return vouching * c.cfg.Probe }

// probe checks Redis once and returns nil if Redis is trusted afterwards.
func (c *Cache) probe(ctx context.Context) error {
	now, err := c.identify(ctx)
	if err != nil {
		return err
	}
	if !now.trusted && time.Since(now.since) < quarantine*c.cfg.Probe {
		return errRecent
	}
	begun := time.Now() // after Redis has responded
	limit := c.cfg.LoadTimeout
	if now.trusted {
		limit = c.cfg.Probe // the next probe must not be late
	}
	settled, err := c.settled(ctx, limit)
	switch {
	case err != nil && !now.trusted:
		return fmt.Errorf("look for pending invalidations: %w", err)
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

// trusts reports whether a read that begins now may be served from Redis.
func (c *Cache) trusts(now *standing) bool { return now.trusted && c.trust.fresh(c.Lag()) }

// identify finds out which server responds.
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
		// Ask again if the call itself opened a new connection.
		if c.trust.change(before, found) {
			c.trust.succeeded()
			return found, nil
		}
	}
}

// runID returns the first 12 of the 40 random hexadecimal digits that identify a run
// of the Redis server.
func (c *Cache) runID(ctx context.Context) (string, error) {
	limit := c.cfg.Timeout
	if c.trust.now().server == "" {
		limit = max(limit, c.cfg.Probe) // a connection may have to be opened
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
	return "", fmt.Errorf("%w: INFO has no run_id", ErrUnavailable)
}

// logChange logs each change of trust, and each new reason, once.
func (c *Cache) logChange(first bool, last, err error) {
	switch {
	case err == nil && (first || last != nil):
		c.log.WithField("server", c.trust.now().server).Info("Cache is trusted")
	case err == nil || !first && last != nil && errors.Is(reason(err), reason(last)):
	case errors.Is(err, errRecent):
		c.log.Info("Cache responds but is not trusted yet")
	default:
		c.log.WithError(err).Warn("Cache is not trusted")
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

// pause waits for d and reports whether ctx is still alive.
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
