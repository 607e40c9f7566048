package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"vitrine/product"
)

const (
	// permitWait is how long a client's call waits for a permit. If none is free by
	// then, PostgreSQL is overloaded and longer waits would not help.
	permitWait = 500 * time.Millisecond
	// waitersPerPermit bounds the number of waiting calls.
	waitersPerPermit = 32
)

// limiter refuses calls of clients while PostgreSQL is overloaded. It keeps a quarter of
// the connections free for workers, relays and the readiness check, which need no
// permit: they complete what clients have been promised.
type limiter struct {
	permits chan struct{}
	waiting atomic.Int64
}

func newLimiter(connections int) *limiter {
	return &limiter{permits: make(chan struct{}, max(connections-max(connections/4, 1), 1))}
}

type sheddableKey struct{}

// Sheddable marks the calls under the context as a client's. Each needs a permit and
// returns [product.ErrOverloaded], without having begun, if it gets none within half a
// second.
func Sheddable(ctx context.Context) context.Context {
	return context.WithValue(ctx, sheddableKey{}, true)
}

// Patient removes the mark of [Sheddable]: the steps that follow a commit must not be
// refused.
func Patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, sheddableKey{}, false)
}

// acquire returns a function that returns the permit, or [product.ErrOverloaded].
func (l *limiter) acquire(ctx context.Context) (release func(), err error) {
	if sheddable, _ := ctx.Value(sheddableKey{}).(bool); !sheddable {
		return func() {}, nil
	}
	select {
	case l.permits <- struct{}{}:
		return l.release, nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > int64(waitersPerPermit*cap(l.permits)) {
		return nil, product.ErrOverloaded
	}
	timer := time.NewTimer(permitWait)
	defer timer.Stop()
	select {
	case l.permits <- struct{}{}:
		return l.release, nil
	case <-timer.C:
		return nil, product.ErrOverloaded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *limiter) release() { <-l.permits }
