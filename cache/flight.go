package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Fetch gives the value under key, from the cache (hit) or else from load, whose
// result fills the cache where the protocol allows it. Trouble with the cache is
// never an error here.
//
// Concurrent calls of the same group share loads, but a call never gets the
// result of a load that began before the call: such a load may have read the
// database before a write that was acknowledged in the meantime. So per key and
// group one load runs, and whoever comes while it runs shares the next one. A value
// that fills the cache is shown to every group, an error only to its own.
//
// load runs with the values of one of the callers' contexts and a deadline of
// its own, and must end with its context; a caller who gives up disturbs
// nobody. Its error is handed on as it is. Other errors: [ErrBusy], or that of
// ctx. Callers may share the value's memory: it must not be changed.
func (c *Cache) Fetch(ctx context.Context, key, group string, load func(context.Context) ([]byte, error)) (value []byte, hit bool, err error) {
	e, err := c.Get(ctx, key)
	if err == nil && e.Hit {
		return e.Value, true, nil
	}
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	detached := context.WithoutCancel(ctx)
	fl := c.flights.board(key+"\n"+group, e.Lease, func(lease string) ([]byte, error) {
		return c.load(detached, key, lease, load)
	})
	select {
	case <-fl.landed:
		return fl.value, false, fl.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// load loads and, with a lease, fills the cache before the callers learn of the
// value, so that their next read is a hit. A panic becomes an error: it must not
// end the process, as it would here, away from the goroutine of the request.
func (c *Cache) load(ctx context.Context, key, lease string, load func(context.Context) ([]byte, error)) (value []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.WithFields(logrus.Fields{"panic": fmt.Sprint(r), "stack": string(debug.Stack())}).Error("cache load panicked")
			value, err = nil, fmt.Errorf("cache: load panicked: %v", r)
		}
	}()
	bounded, cancel := context.WithTimeout(ctx, c.cfg.LoadTimeout)
	defer cancel()
	if value, err = load(bounded); err == nil {
		_ = c.Fill(ctx, key, lease, value) // the value is good without it; its failure is counted
	}
	return value, err
}

// flight is one load and the callers that wait for it. Its result may be read
// once landed is closed.
type flight struct {
	load   func(lease string) ([]byte, error)
	lease  string // of the caller that has one; guarded by flights.mu until departure
	landed chan struct{}
	value  []byte
	err    error
}

// flights holds, for every key and group that is being loaded, the flight that has not
// departed yet; nil while nobody waits for one.
type flights struct {
	mu      sync.Mutex
	waiting map[string]*flight
	slots   chan struct{}
	wait    time.Duration // for a slot
}

func newFlights(slots int, wait time.Duration) *flights {
	return &flights{waiting: make(map[string]*flight), slots: make(chan struct{}, slots), wait: wait}
}

// board gives the flight for key that has not departed yet, which makes the
// load of the first caller. Every caller's lease was taken before it boards, hence
// before the load reads the database: any of them may fill.
func (f *flights) board(key, lease string, load func(lease string) ([]byte, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl, busy := f.waiting[key]
	if fl == nil {
		fl = &flight{load: load, landed: make(chan struct{})}
		f.waiting[key] = fl
	}
	if lease != "" {
		fl.lease = lease
	}
	if !busy {
		go f.fly(key)
	}
	return fl
}

// fly makes the key's flights, one after the other, until nobody waits.
func (f *flights) fly(key string) {
	for {
		f.mu.Lock()
		fl := f.waiting[key]
		if fl == nil {
			delete(f.waiting, key)
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()

		slot := f.acquire() // callers still board while it waits
		f.mu.Lock()
		f.waiting[key] = nil
		f.mu.Unlock()
		if slot {
			fl.value, fl.err = fl.load(fl.lease)
			<-f.slots
		} else {
			fl.err = ErrBusy
		}
		close(fl.landed)
	}
}

func (f *flights) acquire() bool {
	select {
	case f.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(f.wait)
	defer timer.Stop()
	select {
	case f.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}
