package memory

import (
	"context"
	"errors"
	"sync"
)

// ErrNeverFits means that a request exceeds the whole budget.
var ErrNeverFits = errors.New("request exceeds the memory budget")

// MaxPasses is how often later requests may overtake a waiting one. After that it is the
// next to be granted.
const MaxPasses = 32

// Budget grants parts of a number of bytes. Requests that fit overtake those that wait for
// more, but each waiting one at most [MaxPasses] times. Safe for concurrent use.
type Budget struct {
	total int64

	mu      sync.Mutex
	free    int64
	waiting []*waiter // in the order of arrival
}

type waiter struct {
	bytes  int64
	passed int
	ready  chan struct{} // closed when granted
}

// New returns a Budget of total bytes.
func New(total int64) *Budget {
	return &Budget{total: total, free: total}
}

// Acquire waits until bytes are free and takes them. It returns [ErrNeverFits] at once if
// bytes exceeds the whole budget, and ctx's error if ctx ends first.
func (b *Budget) Acquire(ctx context.Context, bytes int64) (*Grant, error) {
	if bytes > b.total {
		return nil, ErrNeverFits
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{bytes: bytes, ready: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, w)
	b.admit()
	b.mu.Unlock()
	select {
	case <-w.ready:
		return &Grant{from: b, bytes: bytes}, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // granted at the same moment: give it back
		b.free += w.bytes
	default:
		b.remove(w)
	}
	// The requests behind it may fit now.
	b.admit()
	return nil, ctx.Err()
}

// admit grants the requests that fit, in order of arrival. b.mu must be held.
func (b *Budget) admit() {
	kept := b.waiting[:0]
	blocked := false // by a request that must not be overtaken again
	for _, w := range b.waiting {
		if blocked || w.bytes > b.free {
			kept = append(kept, w)
			blocked = blocked || w.passed >= MaxPasses
			continue
		}
		b.free -= w.bytes
		close(w.ready)
		for _, ahead := range kept {
			ahead.passed++
			blocked = blocked || ahead.passed >= MaxPasses
		}
	}
	clear(b.waiting[len(kept):])
	b.waiting = kept
}

// remove removes a waiting request. b.mu must be held.
func (b *Budget) remove(w *waiter) {
	for i, other := range b.waiting {
		if other == w {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return
		}
	}
}

// Total returns the size of the whole budget.
func (b *Budget) Total() int64 { return b.total }

// Used returns the number of granted bytes.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total - b.free
}

// Waiting returns the number of requests that wait.
func (b *Budget) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// Grant is a part of a budget. Safe for concurrent use.
type Grant struct {
	from  *Budget
	bytes int64 // guarded by from.mu
}

// Shrink gives back all but bytes. It never grows the grant.
func (g *Grant) Shrink(bytes int64) {
	g.from.mu.Lock()
	defer g.from.mu.Unlock()
	if bytes < g.bytes {
		g.from.free += g.bytes - bytes
		g.bytes = bytes
		g.from.admit()
	}
}

// Release gives everything back. Further calls do nothing.
func (g *Grant) Release() { g.Shrink(0) }
