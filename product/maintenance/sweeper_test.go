package maintenance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/maintenance"
)

func TestSweepDeletesWhatNoImageHas(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w, gone := c.NewProduct(testenv.Source, testenv.Source, testenv.Source), uuid.NewString()
	own := c.ObjectKey(w.ID)
	key := func(product any, n int, name string) string {
		return fmt.Sprintf("products/%v/%s/%s", product, testenv.Digest(n), name)
	}

	claim := c.Claim(w.Images[0], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	storing := c.Claim(w.Images[1], "w") // has its digest, and nothing else so far
	if _, err := c.Jobs.Reserve(t.Context(), storing, testenv.Digest(2)); err != nil {
		t.Fatal(err)
	}
	c.FailImages(imaging.CodeSourceNotFound, w.Images[2])
	// One whose variants are of another digest than its source: they alone are in use.
	c.Exec(`UPDATE images SET variants = replace(variants::text, $1, $2)::jsonb WHERE id = $3`, testenv.Digest(1), testenv.Digest(3), w.Images[0].ID)

	keep := []string{
		"other/" + gone + "/" + testenv.Digest(1) + "/main.jpg",
		key(own, 2, "main.jpg"), key(own, 3, "main.jpg"), key(own, 3, "small.jpg"),
		// Not of a form that workers use.
		"products/" + gone + "/main.jpg", "products/" + gone + "/" + testenv.Digest(9) + "/deep/main.jpg",
		"products/" + strings.ToUpper(gone) + "/" + testenv.Digest(1) + "/main.jpg", "products/x/" + testenv.Digest(1) + "/main.jpg",
	}
	b.PutKeys(keep...)
	b.PutKeys(key(own, 1, "main.jpg"), key(own, 4, "main.jpg"), key(gone, 1, "main.jpg"), key(gone, 2, "small.jpg"))
	if pages := c.Sweep(b, maintenance.SweepConfig{}); pages != 1 || len(b.Keys()) != len(keep)+4 {
		t.Errorf("young objects were deleted: %d pages, left are %q", pages, b.Keys())
	}
	if pages := c.Sweep(b, maintenance.SweepConfig{Age: testenv.AnyAge, Page: 3}); pages != 3 && pages != 4 && pages != 5 {
		t.Errorf("%d pages for 12 objects of which 4 go", pages)
	}
	want, got := map[string]bool{}, map[string]bool{}
	for _, k := range keep {
		want[k] = true
	}
	for _, k := range b.Keys() {
		got[k] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestSweepHeedsALateReservation has a worker reserve a digest after the sweeper
// has listed its objects.
func TestSweepHeedsALateReservation(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w := c.NewProduct(testenv.Source)
	claim := c.Claim(w.Images[0], "w")
	b.PutKeys(fmt.Sprintf("products/%s/%s/main.jpg", claim.ObjectKey, testenv.Digest(1)))
	late := lateBucket{b, func() {
		if _, err := c.Jobs.Reserve(t.Context(), claim, testenv.Digest(1)); err != nil {
			t.Error(err)
		}
	}}
	c.Sweep(late, maintenance.SweepConfig{Age: testenv.AnyAge})
	if keys := b.Keys(); len(keys) != 1 {
		t.Errorf("left are %q", keys)
	}
}

// lateBucket lets something happen after each listing.
type lateBucket struct {
	testenv.Bucket
	then func()
}

func (b lateBucket) List(ctx context.Context, prefix, after string, limit int) ([]maintenance.Object, error) {
	objects, err := b.Bucket.List(ctx, prefix, after, limit)
	b.then()
	return objects, err
}

// brokenBucket fails in one way.
type brokenBucket struct {
	testenv.Bucket
	list, remove error
}

func (b brokenBucket) List(ctx context.Context, prefix, after string, limit int) ([]maintenance.Object, error) {
	if b.list != nil {
		return nil, b.list
	}
	return b.Bucket.List(ctx, prefix, after, limit)
}

func (b brokenBucket) DeletePrefix(ctx context.Context, prefix string) error {
	if b.remove != nil {
		return b.remove
	}
	return b.Bucket.DeletePrefix(ctx, prefix)
}

func TestSweepTakesTurnsAndGoesOn(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	var keys []string
	for i := range 4 {
		keys = append(keys, fmt.Sprintf("products/%s/%s/main.jpg", uuid.NewString(), testenv.Digest(i)))
	}
	b.PutKeys(keys...)
	page := func(objects maintenance.Objects) (bool, error) {
		return maintenance.NewSweeper(c.Store, c.Jobs, objects, maintenance.SweepConfig{Age: testenv.AnyAge, Page: 2}, testenv.Quiet()).Page(t.Context())
	}
	due := func() { c.Exec(`UPDATE object_sweep SET due_at = now() - interval '1 second'`) }

	// What cannot be listed is tried again, from the same place.
	if _, err := page(brokenBucket{Bucket: b, list: testenv.ErrDown}); err == nil {
		t.Error("a failure was not reported")
	}
	if did, err := page(b); did || err != nil {
		t.Errorf("it was tried again at once: %t, %v", did, err)
	}
	due()
	if did, err := page(b); !did || err != nil || len(b.Keys()) != 2 {
		t.Errorf("%t, %v, left are %q", did, err, b.Keys())
	}
	if did, err := page(b); did || err != nil {
		t.Errorf("no pause between two pages: %t, %v", did, err)
	}
	// What cannot be deleted does not hold up the rest.
	due()
	if did, err := page(brokenBucket{Bucket: b, remove: testenv.ErrDown}); !did || err != nil || len(b.Keys()) != 2 {
		t.Errorf("%t, %v, left are %q", did, err, b.Keys())
	}
	due()
	if did, err := page(b); !did || err != nil || c.Count("object_sweep WHERE position = ''") != 1 {
		t.Errorf("the search is not over: %t, %v", did, err)
	}
	if n := c.Count("object_sweep WHERE due_at > now() + interval '59 minutes'"); n != 1 {
		t.Error("the next search is not an hour away")
	}
	// The next one, by any replica, gets the rest.
	due()
	for range 3 {
		testenv.Run(t, maintenance.NewSweeper(c.Store, c.Jobs, b, maintenance.SweepConfig{Age: testenv.AnyAge, Delay: 1}, testenv.Quiet()).Run)
	}
	testenv.Eventually(t, "all are gone", func() bool { return len(b.Keys()) == 0 })
}
