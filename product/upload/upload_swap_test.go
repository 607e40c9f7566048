package upload_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/product"
)

// TestProductsExchangeUploads has two products take each other's upload at the same
// time, over and over: neither waits for the other until the database ends one.
func TestProductsExchangeUploads(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	one, other := c.NewProduct(), c.NewProduct()
	uploads := [2]string{receive(c, b, one.ID), receive(c, b, other.ID)}
	for round := range 200 {
		var both errgroup.Group
		for i, w := range []testenv.Product{one, other} {
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
	for name, images := range map[string][]string{"removed": {}, "replaced": {testenv.Source}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, b := testenv.New(t), testenv.NewBucket(t)
			w := c.NewProduct()
			c.SetImages(w.ID, receive(c, b, w.ID))
			c.Exec(`UPDATE uploads SET kept_until = now() - interval '1 hour'`)
			c.SetImages(w.ID, images...)
			if n := c.Count(`uploads WHERE kept_until > now() + interval '23 hours'`); n != 1 {
				t.Error("it can be forgotten at once")
			}
		})
	}
}
