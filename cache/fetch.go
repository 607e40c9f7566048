package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Fetch returns the value under key, from the cache (hit) or else from load, whose
// result fills the cache if the protocol allows it. Failures of the cache are not
// errors of Fetch.
//
// Concurrent calls of the same group share loads, but a call never gets the
// result of a load that began before the call: that load may have read the
// database before a write that was acknowledged in the meantime. So one load runs
// per key and group, and all calls that arrive while it runs share the next one. A
// value that fills the cache is visible to every group, an error only to its own.
//
// load runs with the values of one caller's context and its own deadline, and must
// return when its context ends. A caller that gives up does not affect the others.
// The error of load is returned unchanged. Other errors: [ErrBusy], or that of ctx.
// Callers may share the value's memory and must not modify it.
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

// load calls load and, with a lease, fills the cache before the callers get the
// value, so that their next read is a hit. It turns a panic into an error, because a
// panic on this goroutine would end the process.
func (c *Cache) load(ctx context.Context, key, lease string, load func(context.Context) ([]byte, error)) (value []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.WithFields(logrus.Fields{"panic": fmt.Sprint(r), "stack": string(debug.Stack())}).Error("Cache load panicked")
			value, err = nil, fmt.Errorf("cache: load panicked: %v", r)
		}
	}()
	bounded, cancel := context.WithTimeout(ctx, c.cfg.LoadTimeout)
	defer cancel()
	if value, err = load(bounded); err == nil {
		_ = c.Fill(ctx, key, lease, value) // the value is valid without it; failures are counted
	}
	return value, err
}

// flight is one load that several callers share. Its result may be read once landed
// is closed.
type flight struct {
	load   func(lease string) ([]byte, error)
	lease  string // of the caller that has one; guarded by flights.mu until the flight starts
	landed chan struct{}
	value  []byte
	err    error
}

// flights holds, for every key and group that is being loaded, the flight that has
// not started yet, or nil if no caller waits for one.
type flights struct {
	mu      sync.Mutex
	waiting map[string]*flight
	slots   chan struct{}
	wait    time.Duration // for a slot
}

func newFlights(slots int, wait time.Duration) *flights {
	return &flights{waiting: make(map[string]*flight), slots: make(chan struct{}, slots), wait: wait}
}

// board returns the flight for key that has not started yet and will call the load of
// its first caller. Every caller takes its lease before it boards, hence before the
// load reads the database, so any of the leases may be used to fill.
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

// fly runs the key's flights, one after the other, until no caller waits.
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

		slot := f.acquire() // callers can board while this waits
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
