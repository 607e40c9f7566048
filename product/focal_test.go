package product_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/product"
)

// patchFocal gives the image another focal point; nil is the centre.
func (c *catalogue) patchFocal(w wire, p *product.Focal) {
	c.t.Helper()
	patch := product.ImagePatch{Focal: p, NoFocal: p == nil}
	if _, err := c.PatchImage(c.t.Context(), product.Everything(), w.ID, w.Images[0].ID, patch, product.Precondition{}); err != nil {
		c.t.Fatal(err)
	}
}

const focalWork = "outbox WHERE kind = 'image_rework' AND payload ->> 'reason' = 'focal'"

// A point that is set before the work begins is what the work goes by; one that
// changes during it or after it has the square made anew.
func TestFocalPoint(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	c.patchFocal(w, &product.Focal{X: 0.3, Y: 0.12345})
	claim := c.claim(w.Images[0], "w")
	if diff := cmp.Diff(&imaging.Focal{X: 0.3, Y: 0.123}, claim.Focal); diff != "" {
		t.Error(diff)
	}
	c.settle(claim, ready(claim, digest(1)))
	if n := c.count(focalWork); n != 0 {
		t.Errorf("%d reworks although nothing changed", n)
	}
	version := c.get(w.ID).Version
	c.patchFocal(w, &product.Focal{X: 0.3, Y: 0.123})
	if got := c.get(w.ID).Version; got != version || c.count(focalWork) != 0 {
		t.Errorf("the same point: version %d, was %d", got, version)
	}
	c.patchFocal(w, nil)
	if got := c.get(w.ID).Version; got != version+1 || c.count(focalWork) != 1 {
		t.Errorf("no point: version %d, was %d; %d reworks", got, version, c.count(focalWork))
	}

	t.Run("while it is worked on", func(t *testing.T) {
		t.Parallel()
		c := newCatalogue(t)
		w := c.create(source)
		claim := c.claim(w.Images[0], "w")
		c.patchFocal(w, &product.Focal{X: 1, Y: 0})
		if n := c.count(focalWork); n != 0 {
			t.Errorf("%d reworks of what is not ready", n)
		}
		c.settle(claim, ready(claim, digest(1)))
		if n := c.count(focalWork); n != 1 {
			t.Errorf("%d reworks, want 1", n)
		}
	})
}
