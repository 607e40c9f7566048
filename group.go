package main

import (
	"context"
	"fmt"
	"sync"
)

// group is parts that run until they are stopped together.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	broken chan<- error
	parts  sync.WaitGroup
}

func (g *group) init(broken chan<- error) {
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.broken = broken
}

// run starts a part. Its error, if it is the first, ends the process.
func (g *group) run(part func(context.Context) error) {
	g.parts.Go(func() {
		if err := part(g.ctx); err != nil {
			select {
			case g.broken <- err:
			default:
			}
		}
	})
}

// stop ends the parts and waits for them until ctx ends.
func (g *group) stop(ctx context.Context) error {
	g.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.parts.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not everything stopped in time: %w", ctx.Err())
	}
}
