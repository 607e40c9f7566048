package product_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/producttest"
)

// TestCutOffReplicaMakesNoReadOld has one of two replicas lose its way to Redis
// and write. What the other one reads after the acknowledgement is never older,
// whether or not it gets to do the invalidation.
func TestCutOffReplicaMakesNoReadOld(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*producttest.Proxy){
		"refused": (*producttest.Proxy).Refuse,
		"frozen":  (*producttest.Proxy).Stall,
	} {
		for _, relayed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, relayed %t", name, relayed), func(t *testing.T) {
				t.Parallel()
				c := newCatalogue(t)
				u, err := url.Parse(redisURL(t))
				if err != nil {
					t.Fatal(err)
				}
				p := producttest.NewProxy(t, u.Host)
				prefix := uuid.NewString() + ":"
				healthy := product.NewService(c.store, openCache(t, u.String(), prefix, c.store.PendingInvalidations), objectURL, quiet())
				u.Host = p.Addr
				cut := product.NewService(c.store, openCache(t, u.String(), prefix, c.store.PendingInvalidations), objectURL, quiet())
				if relayed {
					listener := product.NewListener(c.dsn, quiet())
					run(t, listener.Run)
					relayCache := openCache(t, redisURL(t), prefix, c.store.PendingInvalidations)
					run(t, product.NewInvalidationRelay(c.store, relayCache, listener.Wake(product.KindInvalidate), quiet()).Run)
				}
				w := c.create()
				eventually(t, "the healthy replica reads from the cache", func() bool {
					s, err := healthy.Get(t.Context(), w.ID)
					return err == nil && s.Source == product.FromCache
				})

				fail(p)
				for i := range 20 {
					name := fmt.Sprint("Lamp ", i)
					if _, err := cut.Patch(t.Context(), w.ID, product.Patch{Name: &name}, product.Precondition{}); err != nil {
						t.Fatal(err)
					}
					s, err := healthy.Get(t.Context(), w.ID)
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
