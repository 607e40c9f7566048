package postgres_test

import (
	"context"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// slowCache is a cache that fails to publish a committed write.
type slowCache struct {
	catalogue.Cache
	lag       time.Duration
	untilEnd  bool // blocks until the write's deadline
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
	if c.untilEnd {
		<-ctx.Done()
	}
	return testenv.ErrDown
}

// TestWriteHasOneDeadline has the step after a commit use up the write's time. The write
// ends at its deadline, which is not extended for any further step.
func TestWriteHasOneDeadline(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cache    slowCache
		recorded int
	}{
		"no time left to record the invalidation":   {slowCache{untilEnd: true}, 0},
		"the invalidation is recorded but not done": {slowCache{lag: time.Hour}, 1},
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
			testenv.WantErr(t, testenv.Receive(t, "the end of the write", ended), product.ErrUnavailable)
			begun := testenv.Receive(t, "the call of Forbid", slow.forbidden) // shortly after the write began
			if end := testenv.Receive(t, "the deadline of Replace", slow.deadline); end.IsZero() || end.Sub(begun) > 3*time.Second {
				t.Errorf("the deadline was %s after the write had begun", end.Sub(begun))
			}
			if n := c.Count(`products WHERE version = 2`); n != 1 {
				t.Error("the write was not committed, so the test shows nothing")
			}
			if n := c.Count(`outbox WHERE kind = 'invalidate'`); n != tc.recorded {
				t.Errorf("%d invalidations recorded, want %d", n, tc.recorded)
			}
		})
	}
}
