package catalogue_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/outbox"
)

// withRedisProxy is a catalogue whose Redis is behind a proxy.
func withRedisProxy(t *testing.T) (*testenv.Environment, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(testenv.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	dsn := testenv.DSN(t)
	return testenv.NewOn(t, dsn, testenv.Open(t, dsn), u.String()), p
}

func TestCacheDown(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]struct{ fail, mend func(*testenv.Proxy) }{
		"refused": {(*testenv.Proxy).Refuse, (*testenv.Proxy).Accept},
		"frozen":  {(*testenv.Proxy).Stall, (*testenv.Proxy).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, p := withRedisProxy(t)
			w, other, untouched := c.NewProduct(testenv.Source), c.NewProduct(), c.NewProduct()
			c.Product(w.ID)
			c.Product(other.ID)
			do.fail(p)

			// Reads and writes of clients and workers go on.
			title := "Torch"
			s, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &title}, product.Precondition{})
			if err != nil || s.Version != 2 {
				t.Fatal(s, err)
			}
			claim := c.Claim(w.Images[0], "w")
			c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
			if got := c.Product(w.ID); got.Name != title || got.ImageStatus != "ready" || got.Version != 4 {
				t.Errorf("%+v", got)
			}
			if err := c.Delete(t.Context(), product.Everything(), other.ID, product.Precondition{}); err != nil {
				t.Fatal(err)
			}
			if pending, err := c.Outbox.PendingInvalidations(t.Context()); err != nil || !pending {
				t.Errorf("pending: %t, %v", pending, err)
			}
			if n := c.Count("outbox WHERE kind = 'invalidate' AND payload ->> 'key' = $1", c.CacheKey(w.ID)); n < 3 {
				t.Errorf("%d invalidations for 3 writes", n)
			}

			// It returns, and is not trusted before what it missed is done.
			do.mend(p)
			relay := outbox.NewInvalidationRelay(c.Outbox, c.Cache, nil, testenv.Quiet())
			testenv.Run(t, relay.Run)
			testenv.Eventually(t, "the invalidations are done", func() bool {
				pending, err := c.Outbox.PendingInvalidations(t.Context())
				return err == nil && !pending
			})
			testenv.Eventually(t, "the cache is trusted again", c.Cache.Trusted)
			if got := c.Product(w.ID); got.Name != title || got.Version != 4 {
				t.Errorf("stale: %+v", got)
			}
			_, err = c.Get(t.Context(), product.Everything(), other.ID)
			testenv.WantErr(t, err, product.ErrNotFound)
			// A tombstone that was under way when Redis froze may be there now, so
			// that another product shows that the cache is used again.
			c.Product(untouched.ID)
			if s, err := c.Get(t.Context(), product.Everything(), untouched.ID); err != nil || s.Source != product.FromCache {
				t.Errorf("%v, %v", s.Source, err)
			}
		})
	}
}

// breakingCache loses Redis between a write's commit and its end.
type breakingCache struct {
	*cache.Cache
	lose func()
}

func (c breakingCache) Replace(ctx context.Context, key, token string, value []byte) error {
	c.lose()
	return c.Cache.Replace(ctx, key, token, value)
}

func TestCacheLostAfterCommit(t *testing.T) {
	t.Parallel()
	c, p := withRedisProxy(t)
	w := c.NewProduct()
	c.Product(w.ID)
	service := testenv.NewReplica(c.Store, breakingCache{c.Cache, p.Refuse})
	name := "Torch"
	if _, err := service.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if pending, err := c.Outbox.PendingInvalidations(t.Context()); err != nil || !pending {
		t.Errorf("pending: %t, %v", pending, err)
	}
	if got := c.Product(w.ID); got.Name != name {
		t.Errorf("%+v", got)
	}
}

// TestNobodyReadsOldValues has readers on two replicas check that no read is
// older than the last write that was acknowledged before the read began.
func TestNobodyReadsOldValues(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	prefix := uuid.NewString() + ":"
	replicas := make([]*catalogue.Service, 2)
	for i := range replicas {
		store := testenv.Open(t, c.DSN)
		replicas[i] = testenv.NewReplica(store, testenv.OpenCache(t, testenv.RedisURL(t), prefix, outbox.New(store).PendingInvalidations)).Service
	}
	w := c.NewProduct()
	var acknowledged atomic.Int64
	acknowledged.Store(1)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	var reads, hits atomic.Int64
	for i := range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := acknowledged.Load()
				s, err := replicas[i%2].Get(t.Context(), product.Everything(), w.ID)
				if err != nil || s.Version < least {
					t.Errorf("version %d after %d was acknowledged, %v", s.Version, least, err)
					return
				}
				reads.Add(1)
				if s.Source == product.FromCache {
					hits.Add(1)
				}
			}
		})
	}
	for i := range 2 {
		writers.Go(func() {
			for n := range 100 {
				name := fmt.Sprintf("%d %d", i, n)
				s, err := replicas[i].Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
				if err != nil {
					t.Error(err)
					return
				}
				for old := acknowledged.Load(); old < s.Version && !acknowledged.CompareAndSwap(old, s.Version); {
					old = acknowledged.Load()
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if acknowledged.Load() != 201 || hits.Load() == 0 {
		t.Errorf("version %d, %d reads, %d hits", acknowledged.Load(), reads.Load(), hits.Load())
	}
}
