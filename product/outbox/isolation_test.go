package outbox_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product/outbox"
)

// invalidate records an invalidation.
func invalidate(c *testenv.Environment, id int64) {
	c.T.Helper()
	c.Exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('invalidate', gen_random_uuid(), $1)`, fmt.Sprintf(`{"product_id":%d}`, id))
}

// countedCache counts what a relay asks of a cache.
type countedCache struct {
	*cache.Cache
	checked, dropped chan error
}

func (c countedCache) Check(ctx context.Context) error {
	err := c.Cache.Check(ctx)
	select {
	case c.checked <- err:
	default:
	}
	return err
}

func (c countedCache) Drop(ctx context.Context, key string) error {
	err := c.Cache.Drop(ctx, key)
	c.dropped <- err
	return err
}

// TestCutOffReplicaLeavesInvalidations has one of two replicas lose its way to
// Redis. It must not take what the other one can do.
func TestCutOffReplicaLeavesInvalidations(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testenv.Proxy){
		"refused": (*testenv.Proxy).Refuse,
		"frozen":  (*testenv.Proxy).Stall,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			u, err := url.Parse(testenv.RedisURL(t))
			if err != nil {
				t.Fatal(err)
			}
			p := testenv.NewProxy(t, u.Host)
			u.Host = p.Addr
			cut := countedCache{testenv.OpenCache(t, u.String(), uuid.NewString()+":", c.Outbox.PendingInvalidations),
				make(chan error, 1), make(chan error, 1000)}
			fail(p)
			testenv.Eventually(t, "the replica is cut off", func() bool { return cut.Cache.Check(t.Context()) != nil })

			wake := make(chan struct{}, 1)
			testenv.Run(t, outbox.NewInvalidationRelay(outbox.New(testenv.Open(t, c.DSN)), cut, wake, testenv.Quiet()).Run)
			for range 20 {
				invalidate(c, testenv.UnknownID)
			}
			for range 3 { // it looks for its cache, and at nothing else
				if err := testenv.Receive(t, "a value", cut.checked); err == nil {
					t.Error("the cache can be reached")
				}
			}
			if n := c.Count("outbox WHERE claim IS NULL AND claimed_until IS NULL AND attempts = 0 AND available_at = created_at"); n != 20 {
				t.Errorf("%d of 20 invalidations are untouched", n)
			}

			testenv.Run(t, outbox.NewInvalidationRelay(c.Outbox, c.Cache, nil, testenv.Quiet()).Run)
			testenv.Eventually(t, "the healthy replica does them", func() bool { return c.Count("outbox") == 0 })
			if len(cut.dropped) != 0 {
				t.Errorf("the replica that is cut off tried %d", len(cut.dropped))
			}
		})
	}
}

// fallingCache is lost between the look for it and its use.
type fallingCache struct{ used chan struct{} }

func (fallingCache) Check(context.Context) error { return nil }

func (c fallingCache) Drop(context.Context, string) error {
	c.used <- struct{}{}
	return testenv.ErrDown
}

// TestFailedInvalidationIsDueForOthers has a relay fail with what it has claimed.
func TestFailedInvalidationIsDueForOthers(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	invalidate(c, testenv.UnknownID)
	failing := fallingCache{make(chan struct{}, 1000)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- outbox.NewInvalidationRelay(c.Outbox, failing, nil, testenv.Quiet()).Run(ctx) }()
	testenv.Receive(t, "a value", failing.used)
	testenv.Eventually(t, "it is given back", func() bool {
		return c.Count("outbox WHERE claim IS NULL AND attempts = 0 AND available_at <= clock_timestamp()") == 1
	})
	stop()
	if err := testenv.Receive(t, "a value", ended); err != nil {
		t.Fatal(err)
	}
}
