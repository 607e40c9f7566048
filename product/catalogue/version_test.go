package catalogue_test

import (
	"context"
	"errors"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// TestGetAtLeastPassesOverAnOldValue puts an old value into the cache, which no
// write of the service would.
func TestGetAtLeastPassesOverAnOldValue(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	key := c.CacheKey(w.ID)
	var old []byte
	testenv.Eventually(t, "the product is cached", func() bool {
		c.Product(w.ID)
		value, hit, err := c.Cache.Fetch(t.Context(), key, "", func(context.Context) ([]byte, error) { return nil, errors.New("nothing") })
		old = value
		return hit && err == nil
	})
	name := "Torch"
	if _, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	token, err := c.Cache.Forbid(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Cache.Replace(t.Context(), key, token, old); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[int64]int64{0: 1, 1: 1} {
		if s, err := c.GetAtLeast(t.Context(), product.Everything(), w.ID, version); err != nil || s.Version != want || s.Source != product.FromCache {
			t.Fatalf("at least %d: version %d from %d, %v", version, s.Version, s.Source, err)
		}
	}
	if s, err := c.GetAtLeast(t.Context(), product.Everything(), w.ID, 2); err != nil || s.Version != 2 || s.Source != product.FromDatabase {
		t.Errorf("version %d from %d, %v", s.Version, s.Source, err)
	}
	if got := c.Product(w.ID); got.Version != 2 {
		t.Errorf("the old value is still cached")
	}
	_, err = c.GetAtLeast(t.Context(), product.Everything(), w.ID, 3)
	testenv.WantErr(t, err, catalogue.ErrVersionNotReached)
	_, err = c.GetAtLeast(t.Context(), product.OwnedBy(testenv.UnknownID), w.ID, 1)
	testenv.WantErr(t, err, product.ErrNotFound)
}
