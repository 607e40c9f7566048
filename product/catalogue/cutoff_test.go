package catalogue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// TestCutOffReplicaMakesNoReadOld has one of two replicas lose its way to Redis
// and write. What the other one reads after the acknowledgement is never older,
// whether or not it gets to do the invalidation.
func TestCutOffReplicaMakesNoReadOld(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testenv.Proxy){
		"refused": (*testenv.Proxy).Refuse,
		"frozen":  (*testenv.Proxy).Stall,
	} {
		for _, relayed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, relayed %t", name, relayed), func(t *testing.T) {
				t.Parallel()
				c := testenv.New(t)
				u, err := url.Parse(testenv.RedisURL(t))
				if err != nil {
					t.Fatal(err)
				}
				p := testenv.NewProxy(t, u.Host)
				prefix := uuid.NewString() + ":"
				healthy := testenv.NewReplica(c.Store, testenv.OpenCache(t, u.String(), prefix, c.Outbox.PendingInvalidations))
				u.Host = p.Addr
				cut := testenv.NewReplica(c.Store, testenv.OpenCache(t, u.String(), prefix, c.Outbox.PendingInvalidations))
				if relayed {
					listener := postgres.NewListener(c.DSN, testenv.Quiet())
					relayCache := testenv.OpenCache(t, testenv.RedisURL(t), prefix, c.Outbox.PendingInvalidations)
					testenv.Run(t, outbox.NewInvalidationRelay(c.Outbox, relayCache, listener.Wake(outbox.Channel, string(outbox.KindInvalidate)), testenv.Quiet()).Run)
					testenv.Run(t, listener.Run)
				}
				w := c.NewProduct()
				testenv.Eventually(t, "the healthy replica reads from the cache", func() bool {
					s, err := healthy.Get(t.Context(), product.Everything(), w.ID)
					return err == nil && s.Source == product.FromCache
				})

				fail(p)
				for i := range 20 {
					name := fmt.Sprint("Lamp ", i)
					if _, err := cut.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{}); err != nil {
						t.Fatal(err)
					}
					s, err := healthy.Get(t.Context(), product.Everything(), w.ID)
					if err != nil {
						t.Fatal(err)
					}
					var got struct {
						Name string `json:"product_name"`
					}
					if err := json.Unmarshal(s.Data, &got); err != nil || got.Name != name {
						t.Fatalf("read %q after the write of %q was acknowledged (%v, from cache: %t)", got.Name, name, err, s.Source == product.FromCache)
					}
				}
			})
		}
	}
}

// blinkingCache has the way to Redis freeze for some calls of a write. What was
// held back does not arrive: a tombstone that came late would hide the defect.
type blinkingCache struct {
	*cache.Cache
	p              *testenv.Proxy
	forbid, finish bool
}

func (b blinkingCache) blink(frozen bool, call func() error) error {
	if !frozen {
		return call()
	}
	b.p.Stall()
	defer b.p.Resume()
	defer b.p.Cut()
	return call()
}

func (b blinkingCache) Forbid(ctx context.Context, key string) (token string, err error) {
	err = b.blink(b.forbid, func() error { token, err = b.Cache.Forbid(ctx, key); return err })
	return token, err
}

func (b blinkingCache) Replace(ctx context.Context, key, token string, value []byte) error {
	return b.blink(b.finish, func() error { return b.Cache.Replace(ctx, key, token, value) })
}

func (b blinkingCache) Drop(ctx context.Context, key string) error {
	return b.blink(b.finish, func() error { return b.Cache.Drop(ctx, key) })
}

// TestShortFreezeMakesNoReadOld has Redis freeze for a writer for so short a time
// that the other replica, whose cache holds the value before, notices nothing.
func TestShortFreezeMakesNoReadOld(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]blinkingCache{
		"before the commit": {forbid: true},
		"after the commit":  {finish: true},
		"before and after":  {forbid: true, finish: true},
	} {
		for _, deleted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deleted %t", name, deleted), func(t *testing.T) {
				t.Parallel()
				c := testenv.New(t)
				u, err := url.Parse(testenv.RedisURL(t))
				if err != nil {
					t.Fatal(err)
				}
				cfg := cache.Config{URL: u.String(), Prefix: uuid.NewString() + ":", Probe: 500 * time.Millisecond, Timeout: 50 * time.Millisecond}
				other := testenv.NewReplica(c.Store, testenv.OpenCacheWith(t, cfg, c.Outbox.PendingInvalidations))
				b := b
				b.p = testenv.NewProxy(t, u.Host)
				u.Host = b.p.Addr
				cfg.URL = u.String()
				b.Cache = testenv.OpenCacheWith(t, cfg, c.Outbox.PendingInvalidations)
				frozen := testenv.NewReplica(c.Store, b)
				w := c.NewProduct()
				testenv.Eventually(t, "the other replica reads from the cache", func() bool {
					s, err := other.Get(t.Context(), product.Everything(), w.ID)
					return err == nil && s.Source == product.FromCache
				})
				if deleted {
					if err := frozen.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
						t.Fatal(err)
					}
					_, err = other.Get(t.Context(), product.Everything(), w.ID)
					testenv.WantErr(t, err, product.ErrNotFound)
					return
				}
				if err := testenv.RenameToTorch(frozen, w.ID)(t.Context()); err != nil {
					t.Fatal(err)
				}
				s, err := other.Get(t.Context(), product.Everything(), w.ID)
				if err != nil || testenv.Decode(t, s.Data).Name != "Torch" {
					t.Errorf("version %d from %v after the acknowledgement, %v", s.Version, s.Source, err)
				}
			})
		}
	}
}
