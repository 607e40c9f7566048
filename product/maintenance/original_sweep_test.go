package maintenance_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/maintenance"
)

// TestSweepDeletesSourcesThatNothingWaitsFor has a source in each state of an image.
func TestSweepDeletesSourcesThatNothingWaitsFor(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w, gone := c.NewProduct(testenv.Source, testenv.Source, testenv.Source, testenv.Source), uuid.New()
	own := c.ObjectKey(w.ID)
	for i, webp := range []bool{true, false} {
		claim := c.Claim(w.Images[i], "w")
		outcome := testenv.ReadyOutcome(claim, testenv.Digest(i))
		outcome.Result.WebPDue = webp
		c.Settle(claim, outcome)
	}
	storing := c.Claim(w.Images[2], "w")
	if _, err := c.Jobs.Reserve(t.Context(), storing, testenv.Digest(2)); err != nil {
		t.Fatal(err)
	}
	c.FailImages(imaging.CodeSourceNotFound, w.Images[3])
	c.Exec(`UPDATE images SET source_sha256 = $1 WHERE id = $2`, testenv.Digest(3), w.Images[3].ID)

	keep := []string{
		imaging.OriginalKey(own, testenv.Digest(0)), imaging.OriginalKey(own, testenv.Digest(2)),
		// Not of a form that workers use.
		"originals/" + gone.String() + "/source", "originals/" + gone.String() + "/" + testenv.Digest(9) + "/source",
		"originals/" + strings.ToUpper(gone.String()) + "/" + testenv.Digest(9), "originals/x/" + testenv.Digest(9),
	}
	b.PutKeys(keep...)
	b.PutKeys(imaging.OriginalKey(own, testenv.Digest(1)), imaging.OriginalKey(own, testenv.Digest(3)), imaging.OriginalKey(gone, testenv.Digest(0)))
	if c.Sweep(b, maintenance.SweepConfig{}); len(b.Keys()) != len(keep)+3 {
		t.Errorf("young sources were deleted, left are %q", b.Keys())
	}
	c.Sweep(brokenSources{b, imaging.OriginalKey(gone, testenv.Digest(0))}, maintenance.SweepConfig{Age: testenv.AnyAge, Page: 2})
	slices.Sort(keep)
	left := slices.DeleteFunc(b.Keys(), func(key string) bool { return key == imaging.OriginalKey(gone, testenv.Digest(0)) })
	if slices.Sort(left); !cmp.Equal(keep, left) || len(b.Keys()) != len(keep)+1 {
		t.Errorf("left (-want +got):\n%s", cmp.Diff(keep, left))
	}
	// The next search gets what could not be deleted.
	if c.Sweep(b, maintenance.SweepConfig{Age: testenv.AnyAge}); len(b.Keys()) != len(keep) {
		t.Errorf("left are %q", b.Keys())
	}
}

// brokenSources cannot delete one object.
type brokenSources struct {
	testenv.Bucket
	key string
}

func (b brokenSources) Delete(ctx context.Context, key string) error {
	if key == b.key {
		return testenv.ErrDown
	}
	return b.Bucket.Delete(ctx, key)
}
