package cache_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"vitrine/cache"
)

// outbox is where writes leave the invalidations that Redis has missed.
type outbox struct {
	mu       sync.Mutex
	waiting  map[int]string // keys
	recorded int
}

func (o *outbox) add(key string) {
	o.recorded++
	o.waiting[o.recorded] = key
}

func (o *outbox) settled(context.Context) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting) == 0, nil
}

// relay repeats each invalidation until it succeeds.
func (o *outbox) relay(ctx context.Context, c *cache.Cache) {
	o.mu.Lock()
	due := map[int]string{}
	for id, key := range o.waiting {
		due[id] = key
	}
	o.mu.Unlock()
	for id, key := range due {
		if c.Drop(ctx, key) == nil {
			o.mu.Lock()
			delete(o.waiting, id)
			o.mu.Unlock()
		}
	}
}

// recorded is a careful replica whose writes leave a record when Redis fails.
type recorded struct {
	careful
	outbox *outbox
}

func (s recorded) write(t *testing.T, r *register, key string) {
	r.lock.Lock()
	token, err := s.c.Forbid(t.Context(), key)
	var n int64
	if err == nil {
		n = r.commit()
	} else {
		pause()
		s.outbox.mu.Lock() // one transaction with the row
		n = r.row.Add(1)
		s.outbox.add(key)
		s.outbox.mu.Unlock()
		pause()
	}
	r.lock.Unlock()
	pause()
	if s.c.Replace(t.Context(), key, token, strconv.AppendInt(nil, n, 10)) != nil && err == nil {
		s.outbox.mu.Lock()
		s.outbox.add(key)
		s.outbox.mu.Unlock()
	}
	r.ack(n)
}

// TestNobodyReadsStaleAcrossOutages: Redis goes and comes for both replicas
// while they race; a relay repeats the invalidations that it missed.
func TestNobodyReadsStaleAcrossOutages(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	redis(t, cfg)
	cfg.Timeout = 100 * time.Millisecond
	cfg.Probe = 200 * time.Millisecond
	box := &outbox{waiting: map[int]string{}}
	cfg.Settled = box.settled
	p := through(t, &cfg)
	one, two := start(t, cfg), start(t, cfg)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.Tick(10 * time.Millisecond); ctx.Err() == nil; <-tick {
			box.relay(t.Context(), one)
		}
	})
	wg.Go(func() {
		defer stop()
		for _, fail := range []func(){p.Cut, p.Stall, p.Cut, p.Stall} {
			// An outage is long enough for the breaker, business for some hits.
			if !trusted(one, two) {
				t.Error("trust does not come back")
				return
			}
			<-time.After(100 * time.Millisecond)
			fail()
			<-time.After(400 * time.Millisecond)
			p.Resume()
		}
		if !trusted(one, two) {
			t.Error("trust does not come back")
		}
	})
	seen := raceWhile(t, func(int64) bool { return ctx.Err() == nil }, recorded{careful{one}, box}, recorded{careful{two}, box})
	wg.Wait()
	t.Logf("%d invalidations were recorded", box.recorded)
	if seen.stale.Load() != 0 {
		t.Errorf("%d reads were older than the last acknowledged write", seen.stale.Load())
	}
	if seen.hits.Load() == 0 || box.recorded == 0 {
		t.Error("there were no hits or no missed invalidations, so the test says nothing")
	}
}

// trusted waits until all caches are.
func trusted(caches ...*cache.Cache) bool {
	tick := time.Tick(5 * time.Millisecond)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick {
		all := true
		for _, c := range caches {
			all = all && c.Trusted()
		}
		if all {
			return true
		}
	}
	return false
}
