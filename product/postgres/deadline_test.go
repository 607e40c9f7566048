package postgres_test

import (
	"context"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// slowCache fails when a write has been committed.
type slowCache struct {
	catalogue.Cache
	lag       time.Duration
	toTheEnd  bool // of the time for the write
	forbidden chan time.Time
	deadline  chan time.Time
}

func (c slowCache) Lag() time.Duration { return c.lag }

func (c slowCache) Forbid(ctx context.Context, key string) (string, error) {
	c.forbidden <- time.Now()
	return c.Cache.Forbid(ctx, key)
}

func (c slowCache) Replace(ctx context.Context, _, _ string, _ []byte) error {
	deadline, _ := ctx.Deadline()
	c.deadline <- deadline
	if c.toTheEnd {
		<-ctx.Done()
	}
	return testenv.ErrDown
}

// TestOneDeadlineForAWrite has a write that is committed take all of its time with
// what follows: it ends with that time, which does not begin anew for any step.
func TestOneDeadlineForAWrite(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cache    slowCache
		recorded int
	}{
		"nothing left to record the invalidation": {slowCache{toTheEnd: true}, 0},
		"nobody does the invalidation":            {slowCache{lag: time.Hour}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct()
			slow := tc.cache
			slow.Cache, slow.forbidden, slow.deadline = c.Cache, make(chan time.Time, 1), make(chan time.Time, 1)
			service := testenv.NewReplica(c.Store, slow)
			ended := make(chan error, 1)
			go func() { ended <- testenv.RenameToTorch(service, w.ID)(t.Context()) }()
			testenv.WantErr(t, testenv.Receive(t, "a value", ended), product.ErrUnavailable)
			begun := testenv.Receive(t, "a value", slow.forbidden) // or a little later
			if end := testenv.Receive(t, "a value", slow.deadline); end.IsZero() || end.Sub(begun) > 3*time.Second {
				t.Errorf("the write had to end %s after it was known to be under way", end.Sub(begun))
			}
			if n := c.Count(`products WHERE version = 2`); n != 1 {
				t.Error("it was not committed: the test shows nothing")
			}
			if n := c.Count(`outbox WHERE kind = 'invalidate'`); n != tc.recorded {
				t.Errorf("%d invalidations were recorded, want %d", n, tc.recorded)
			}
		})
	}
}
