package product_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
)

// TestFocalPoint sets a focal point before the image is processed, and changes it during and
// after processing: only a change has the image reprocessed.
func TestFocalPoint(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	c.SetFocal(w, &product.Focal{X: 0.3, Y: 0.12345})
	claim := c.Claim(w.Images[0], "w")
	if diff := cmp.Diff(&imaging.Focal{X: 0.3, Y: 0.123}, claim.Focal); diff != "" {
		t.Error(diff)
	}
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	if n := c.Count(testenv.DueFocal); n != 0 {
		t.Errorf("%d reprocessing jobs without a change, want 0", n)
	}
	version := c.Product(w.ID).Version
	c.SetFocal(w, &product.Focal{X: 0.3, Y: 0.123})
	if got := c.Product(w.ID).Version; got != version || c.Count(testenv.DueFocal) != 0 {
		t.Errorf("the same point again: version %d, was %d", got, version)
	}
	c.SetFocal(w, nil)
	if got := c.Product(w.ID).Version; got != version+1 || c.Count(testenv.DueFocal) != 1 {
		t.Errorf("the point removed: version %d, was %d; %d jobs, want 1", got, version, c.Count(testenv.DueFocal))
	}

	t.Run("while the image is processed", func(t *testing.T) {
		t.Parallel()
		c := testenv.New(t)
		w := c.NewProduct(testenv.Source)
		claim := c.Claim(w.Images[0], "w")
		c.SetFocal(w, &product.Focal{X: 1, Y: 0})
		if n := c.Count(testenv.DueFocal); n != 0 {
			t.Errorf("%d reprocessing jobs for an image that is not ready, want 0", n)
		}
		c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
		if n := c.Count(testenv.DueFocal); n != 1 {
			t.Errorf("%d jobs, want 1", n)
		}
	})
}

// TestFocalPointChangesTheSquare checks that another focal point replaces only the square
// variant of a ready image, under a new URL and without another download.
func TestFocalPointChangesTheSquare(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	s.RunReprocessing(s.Worker)
	s.AwaitReprocessed()
	before, asked, had := s.Product(w.ID), s.Sources.Requests(), s.NamedKeys()
	s.SetFocal(w, &product.Focal{X: 0, Y: 0.5})
	s.AwaitReprocessed()
	after, has := s.Product(w.ID), s.NamedKeys()
	square := func(key string) bool { return strings.Contains(key, "/square") }
	was, is := slices.IndexFunc(had, square), slices.IndexFunc(has, square)
	if was < 0 || is < 0 || had[was] == has[is] {
		t.Fatalf("the square is number %d of %q, was number %d of %q", is, has, was, had)
	}
	if diff := cmp.Diff(slices.DeleteFunc(had, square), slices.DeleteFunc(has, square)); diff != "" {
		t.Errorf("the other variants (-before +after):\n%s", diff)
	}
	if after.Version != before.Version+2 || s.Sources.Requests() != asked {
		t.Errorf("version %d, was %d; %d requests to the source, were %d", after.Version, before.Version, s.Sources.Requests(), asked)
	}
	s.DeleteObjects() // keeps the objects under the source's digest while it is in use
	for _, key := range s.NamedKeys() {
		if !slices.Contains(s.Bucket.Keys(), key) {
			t.Errorf("%s is missing", key)
		}
	}
}
