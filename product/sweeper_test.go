package product_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
)

func TestSweepDeletesWhatNoImageHas(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	w, gone := c.create(source, source, source), uuid.NewString()
	own := c.objectKey(w.ID)
	key := func(product any, n int, name string) string {
		return fmt.Sprintf("products/%v/%s/%s", product, digest(n), name)
	}

	claim := c.claim(w.Images[0], "w")
	c.settle(claim, ready(claim, digest(1)))
	storing := c.claim(w.Images[1], "w") // has its digest, and nothing else so far
	if _, err := c.jobs.Reserve(t.Context(), storing, digest(2)); err != nil {
		t.Fatal(err)
	}
	c.letDown(imaging.CodeSourceNotFound, w.Images[2])
	// One whose variants are of another digest than its source: they alone are in use.
	c.exec(`UPDATE images SET variants = replace(variants::text, $1, $2)::jsonb WHERE id = $3`, digest(1), digest(3), w.Images[0].ID)

	keep := []string{
		"other/" + gone + "/" + digest(1) + "/main.jpg",
		key(own, 2, "main.jpg"), key(own, 3, "main.jpg"), key(own, 3, "small.jpg"),
		// Not of a form that workers use.
		"products/" + gone + "/main.jpg", "products/" + gone + "/" + digest(9) + "/deep/main.jpg",
		"products/" + strings.ToUpper(gone) + "/" + digest(1) + "/main.jpg", "products/x/" + digest(1) + "/main.jpg",
	}
	b.put(keep...)
	b.put(key(own, 1, "main.jpg"), key(own, 4, "main.jpg"), key(gone, 1, "main.jpg"), key(gone, 2, "small.jpg"))
	if pages := c.sweep(b, product.SweepConfig{}); pages != 1 || len(b.keys()) != len(keep)+4 {
		t.Errorf("young objects were deleted: %d pages, left are %q", pages, b.keys())
	}
	if pages := c.sweep(b, product.SweepConfig{Age: anyAge, Page: 3}); pages != 3 && pages != 4 && pages != 5 {
		t.Errorf("%d pages for 12 objects of which 4 go", pages)
	}
	want, got := map[string]bool{}, map[string]bool{}
	for _, k := range keep {
		want[k] = true
	}
	for _, k := range b.keys() {
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
	c, b := newCatalogue(t), newBucket(t)
	w := c.create(source)
	claim := c.claim(w.Images[0], "w")
	b.put(fmt.Sprintf("products/%s/%s/main.jpg", claim.ObjectKey, digest(1)))
	late := lateBucket{b, func() {
		if _, err := c.jobs.Reserve(t.Context(), claim, digest(1)); err != nil {
			t.Error(err)
		}
	}}
	c.sweep(late, product.SweepConfig{Age: anyAge})
	if keys := b.keys(); len(keys) != 1 {
		t.Errorf("left are %q", keys)
	}
}

// lateBucket lets something happen after each listing.
type lateBucket struct {
	bucket
	then func()
}

func (b lateBucket) List(ctx context.Context, prefix, after string, limit int) ([]product.Object, error) {
	objects, err := b.bucket.List(ctx, prefix, after, limit)
	b.then()
	return objects, err
}

// brokenBucket fails in one way.
type brokenBucket struct {
	bucket
	list, remove error
}

func (b brokenBucket) List(ctx context.Context, prefix, after string, limit int) ([]product.Object, error) {
	if b.list != nil {
		return nil, b.list
	}
	return b.bucket.List(ctx, prefix, after, limit)
}

func (b brokenBucket) DeletePrefix(ctx context.Context, prefix string) error {
	if b.remove != nil {
		return b.remove
	}
	return b.bucket.DeletePrefix(ctx, prefix)
}

func TestSweepTakesTurnsAndGoesOn(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	var keys []string
	for i := range 4 {
		keys = append(keys, fmt.Sprintf("products/%s/%s/main.jpg", uuid.NewString(), digest(i)))
	}
	b.put(keys...)
	page := func(objects product.Objects) (bool, error) {
		return product.NewSweeper(c.store, c.jobs, objects, product.SweepConfig{Age: anyAge, Page: 2}, testenv.Quiet()).Page(t.Context())
	}
	due := func() { c.exec(`UPDATE object_sweep SET due_at = now() - interval '1 second'`) }

	// What cannot be listed is tried again, from the same place.
	if _, err := page(brokenBucket{bucket: b, list: errDown}); err == nil {
		t.Error("a failure was not reported")
	}
	if did, err := page(b); did || err != nil {
		t.Errorf("it was tried again at once: %t, %v", did, err)
	}
	due()
	if did, err := page(b); !did || err != nil || len(b.keys()) != 2 {
		t.Errorf("%t, %v, left are %q", did, err, b.keys())
	}
	if did, err := page(b); did || err != nil {
		t.Errorf("no pause between two pages: %t, %v", did, err)
	}
	// What cannot be deleted does not hold up the rest.
	due()
	if did, err := page(brokenBucket{bucket: b, remove: errDown}); !did || err != nil || len(b.keys()) != 2 {
		t.Errorf("%t, %v, left are %q", did, err, b.keys())
	}
	due()
	if did, err := page(b); !did || err != nil || c.count("object_sweep WHERE position = ''") != 1 {
		t.Errorf("the search is not over: %t, %v", did, err)
	}
	if n := c.count("object_sweep WHERE due_at > now() + interval '59 minutes'"); n != 1 {
		t.Error("the next search is not an hour away")
	}
	// The next one, by any replica, gets the rest.
	due()
	for range 3 {
		testenv.Run(t, product.NewSweeper(c.store, c.jobs, b, product.SweepConfig{Age: anyAge, Delay: 1}, testenv.Quiet()).Run)
	}
	testenv.Eventually(t, "all are gone", func() bool { return len(b.keys()) == 0 })
}
