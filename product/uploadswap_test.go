package product_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"vitrine/product"
)

// TestProductsExchangeUploads has two products take each other's upload at the same
// time, over and over: neither waits for the other until the database ends one.
func TestProductsExchangeUploads(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	one, other := c.create(), c.create()
	uploads := [2]string{c.receive(b, one.ID), c.receive(b, other.ID)}
	for round := range 200 {
		var both errgroup.Group
		for i, w := range []wire{one, other} {
			images := []string{uploads[(round+i)%2]}
			both.Go(func() error {
				_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &images}, product.Precondition{})
				return err
			})
		}
		if err := both.Wait(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// TestUploadsThatArePatchedAwayAreKept has the image of an upload be removed or
// replaced long after it came: it may be named again.
func TestUploadsThatArePatchedAwayAreKept(t *testing.T) {
	t.Parallel()
	for name, images := range map[string][]string{"removed": {}, "replaced": {source}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, b := newCatalogue(t), newBucket(t)
			w := c.create()
			c.setImages(w.ID, c.receive(b, w.ID))
			c.exec(`UPDATE uploads SET kept_until = now() - interval '1 hour'`)
			c.setImages(w.ID, images...)
			if n := c.count(`uploads WHERE kept_until > now() + interval '23 hours'`); n != 1 {
				t.Error("it can be forgotten at once")
			}
		})
	}
}
