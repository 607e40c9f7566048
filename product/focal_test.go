package product_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/product"
)

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
		t.Errorf("%d jobs although nothing changed", n)
	}
	version := c.get(w.ID).Version
	c.patchFocal(w, &product.Focal{X: 0.3, Y: 0.123})
	if got := c.get(w.ID).Version; got != version || c.count(focalWork) != 0 {
		t.Errorf("the same point: version %d, was %d", got, version)
	}
	c.patchFocal(w, nil)
	if got := c.get(w.ID).Version; got != version+1 || c.count(focalWork) != 1 {
		t.Errorf("no point: version %d, was %d; %d jobs", got, version, c.count(focalWork))
	}

	t.Run("while it is worked on", func(t *testing.T) {
		t.Parallel()
		c := newCatalogue(t)
		w := c.create(source)
		claim := c.claim(w.Images[0], "w")
		c.patchFocal(w, &product.Focal{X: 1, Y: 0})
		if n := c.count(focalWork); n != 0 {
			t.Errorf("%d jobs for what is not ready", n)
		}
		c.settle(claim, ready(claim, digest(1)))
		if n := c.count(focalWork); n != 1 {
			t.Errorf("%d jobs, want 1", n)
		}
	})
}

// Another focal point gives a ready image a square of another URL, made without the
// source, and leaves its other variants alone.
func TestFocalPointChangesTheSquare(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.process(s.worker)
	s.idle()
	before, asked, had := s.get(w.ID), s.host.requests(), s.named()
	s.patchFocal(w, &product.Focal{X: 0, Y: 0.5})
	s.idle()
	after, has := s.get(w.ID), s.named()
	square := func(key string) bool { return strings.Contains(key, "/square") }
	was, is := slices.IndexFunc(had, square), slices.IndexFunc(has, square)
	if was < 0 || is < 0 || had[was] == has[is] {
		t.Fatalf("the square is at %d of %q, was at %d of %q", is, has, was, had)
	}
	if diff := cmp.Diff(slices.DeleteFunc(had, square), slices.DeleteFunc(has, square)); diff != "" {
		t.Errorf("the other variants (-before +after):\n%s", diff)
	}
	if after.Version != before.Version+2 || s.host.requests() != asked {
		t.Errorf("version %d, was %d; %d requests, were %d", after.Version, before.Version, s.host.requests(), asked)
	}
	s.deletions() // what lies under the source's digest stays as long as that is in use
	for _, key := range s.named() {
		if !slices.Contains(s.bucket.keys(), key) {
			t.Errorf("%s is missing", key)
		}
	}
}
