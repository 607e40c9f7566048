// Package admission hands out a budget of memory, in bytes, to work that says
// beforehand how much it needs.
package admission

import (
	"context"
	"errors"
	"sync"
)

// ErrNeverFits says that a request exceeds the whole budget.
var ErrNeverFits = errors.New("more memory than there is in all")

// MaxPasses is how often later requests may pass a waiting one. After that
// nobody overtakes it any more: what runs ends, and its turn comes.
const MaxPasses = 32

// Budget hands out parts of itself. Requests that fit pass those that have to
// wait for more, but each waiting one only [MaxPasses] times. Safe for
// concurrent use.
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

// New makes a Budget of that many bytes, all of them free.
func New(total int64) *Budget {
	return &Budget{total: total, free: total}
}

// Acquire waits until bytes are free and takes them. It gives [ErrNeverFits] at
// once for more than the budget, and ctx's error when that ends first.
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
	case <-w.ready: // granted in the same moment: give it back
		b.free += w.bytes
	default:
		b.remove(w)
	}
	// Without it, those it held up may fit now.
	b.admit()
	return nil, ctx.Err()
}

// admit grants what fits, first come first; b.mu is held.
func (b *Budget) admit() {
	kept := b.waiting[:0]
	blocked := false // by one that was passed often enough
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

func (b *Budget) remove(w *waiter) {
	for i, other := range b.waiting {
		if other == w {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return
		}
	}
}

// Total is the size of the whole budget.
func (b *Budget) Total() int64 { return b.total }

// Used is how many bytes are handed out.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total - b.free
}

// Waiting is how many requests have not been granted yet.
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

// Shrink gives back all but bytes; it never takes more.
func (g *Grant) Shrink(bytes int64) {
	g.from.mu.Lock()
	defer g.from.mu.Unlock()
	if bytes < g.bytes {
		g.from.free += g.bytes - bytes
		g.bytes = bytes
		g.from.admit()
	}
}

// Release gives everything back; more calls do nothing.
func (g *Grant) Release() { g.Shrink(0) }
