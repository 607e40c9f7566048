package product_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
)

// TestSweepDeletesSourcesThatNothingWaitsFor has a source in each state of an image.
func TestSweepDeletesSourcesThatNothingWaitsFor(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	w, gone := c.create(source, source, source, source), uuid.New()
	own := c.objectKey(w.ID)
	for i, webp := range []bool{true, false} {
		claim := c.claim(w.Images[i], "w")
		outcome := ready(claim, digest(i))
		outcome.Result.WebPDue = webp
		c.settle(claim, outcome)
	}
	storing := c.claim(w.Images[2], "w")
	if _, err := c.jobs.Reserve(t.Context(), storing, digest(2)); err != nil {
		t.Fatal(err)
	}
	c.letDown(imaging.CodeSourceNotFound, w.Images[3])
	c.exec(`UPDATE images SET source_sha256 = $1 WHERE id = $2`, digest(3), w.Images[3].ID)

	keep := []string{
		imaging.OriginalKey(own, digest(0)), imaging.OriginalKey(own, digest(2)),
		// Not of a form that workers use.
		"originals/" + gone.String() + "/source", "originals/" + gone.String() + "/" + digest(9) + "/source",
		"originals/" + strings.ToUpper(gone.String()) + "/" + digest(9), "originals/x/" + digest(9),
	}
	b.put(keep...)
	b.put(imaging.OriginalKey(own, digest(1)), imaging.OriginalKey(own, digest(3)), imaging.OriginalKey(gone, digest(0)))
	if c.sweep(b, product.SweepConfig{}); len(b.keys()) != len(keep)+3 {
		t.Errorf("young sources were deleted, left are %q", b.keys())
	}
	c.sweep(brokenSources{b, imaging.OriginalKey(gone, digest(0))}, product.SweepConfig{Age: anyAge, Page: 2})
	slices.Sort(keep)
	left := slices.DeleteFunc(b.keys(), func(key string) bool { return key == imaging.OriginalKey(gone, digest(0)) })
	if slices.Sort(left); !cmp.Equal(keep, left) || len(b.keys()) != len(keep)+1 {
		t.Errorf("left (-want +got):\n%s", cmp.Diff(keep, left))
	}
	// The next search gets what could not be deleted.
	if c.sweep(b, product.SweepConfig{Age: anyAge}); len(b.keys()) != len(keep) {
		t.Errorf("left are %q", b.keys())
	}
}

// brokenSources cannot delete one object.
type brokenSources struct {
	bucket
	key string
}

func (b brokenSources) Delete(ctx context.Context, key string) error {
	if key == b.key {
		return errDown
	}
	return b.bucket.Delete(ctx, key)
}
