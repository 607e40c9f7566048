package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"vitrine/product"
)

const (
	// gatePatience is how long a client's call waits for a place at PostgreSQL.
	// When all are taken for longer, more of them would only wait in vain.
	gatePatience = 500 * time.Millisecond
	// gateQueue bounds those that wait, for each place.
	gateQueue = 32
)

// gate turns clients' calls away while PostgreSQL has enough to do. It leaves a
// quarter of the connections to the workers, the relays and the readiness check,
// which do not go through it: they finish what clients have been promised.
type gate struct {
	places  chan struct{}
	waiting atomic.Int64
}

func newGate(connections int) *gate {
	return &gate{places: make(chan struct{}, max(connections-max(connections/4, 1), 1))}
}

type sheddableKey struct{}

// Sheddable marks what is done under the context as a client's call: it ends with
// [product.ErrOverloaded], before it has begun, where it does not get a place at PostgreSQL
// in half a second.
func Sheddable(ctx context.Context) context.Context {
	return context.WithValue(ctx, sheddableKey{}, true)
}

// patient takes the mark off again: what follows a commit must not be turned away.
func Patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, sheddableKey{}, false)
}

// enter gives a place, to be left when PostgreSQL is done with, or [product.ErrOverloaded].
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	if sheddable, _ := ctx.Value(sheddableKey{}).(bool); !sheddable {
		return func() {}, nil
	}
	select {
	case g.places <- struct{}{}:
		return g.leave, nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int64(gateQueue*cap(g.places)) {
		return nil, product.ErrOverloaded
	}
	timer := time.NewTimer(gatePatience)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return g.leave, nil
	case <-timer.C:
		return nil, product.ErrOverloaded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *gate) leave() { <-g.places }
