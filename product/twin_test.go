package product_test

import (
	"sync"
	"testing"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/product"
)

func (c *catalogue) reserve(claim imaging.Claim, sha256 string) *imaging.Result {
	c.t.Helper()
	duplicate, err := c.jobs.Reserve(c.t.Context(), claim, sha256)
	if err != nil {
		c.t.Fatal(err)
	}
	return duplicate
}

// What a ready image of the product was made of is not decoded again.
func TestReserveFindsTheSamePicture(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source, source)
	first, second, third := c.claim(w.Images[0], "w-1"), c.claim(w.Images[1], "w-2"), c.claim(w.Images[2], "w-3")
	if duplicate := c.reserve(first, digest(1)); duplicate != nil {
		t.Errorf("alone: %+v", duplicate)
	}
	if duplicate := c.reserve(second, digest(1)); duplicate != nil {
		t.Errorf("a duplicate that is not ready: %+v", duplicate)
	}
	want := ready(first, digest(1))
	want.Result.PipelineVersion = "r"
	c.settle(first, want)
	got := c.reserve(second, digest(1))
	want.Result.Note = ""
	if diff := cmp.Diff(want.Result, got); diff != "" {
		t.Error(diff)
	}
	if duplicate := c.reserve(third, digest(2)); duplicate != nil {
		t.Errorf("of other bytes: %+v", duplicate)
	}
	third.Focal = &imaging.Focal{X: 0.5, Y: 0.1}
	if duplicate := c.reserve(third, digest(1)); duplicate != nil {
		t.Errorf("round another point: %+v", duplicate)
	}
	c.exec(`UPDATE images SET focal_x = 0.5, focal_y = 0.1 WHERE id = $1`, w.Images[0].ID)
	if duplicate := c.reserve(third, digest(1)); duplicate == nil {
		t.Error("not found by its point")
	}
	other := c.create(source)
	if duplicate := c.reserve(c.claim(other.Images[0], "w-4"), digest(1)); duplicate != nil {
		t.Errorf("of another product: %+v", duplicate)
	}
}

// The objects of a duplicate that was found stay when the duplicate is deleted, whichever
// comes first.
func TestDuplicatesObjectsOutliveIt(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	d := deleter{seen: make(chan string, 100), f: func() error { return nil }}
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run)
	for range 10 {
		w := c.create(source, "https://a.example/2.png")
		first, second := c.claim(w.Images[0], "w-1"), c.claim(w.Images[1], "w-2")
		c.reserve(first, digest(1))
		c.settle(first, ready(first, digest(1)))
		var duplicate *imaging.Result
		var race sync.WaitGroup
		race.Go(func() { duplicate = c.reserve(second, digest(1)) })
		race.Go(func() { c.setImages(w.ID, "https://a.example/2.png") })
		race.Wait()
		testenv.Eventually(t, "the deletion is done", func() bool { return c.count("outbox WHERE kind = 'delete_objects'") == 0 })
		if deleted := len(d.seen); duplicate != nil && deleted != 0 {
			t.Fatalf("%s was deleted although it was found", <-d.seen)
		}
		for len(d.seen) > 0 {
			<-d.seen
		}
		if duplicate != nil {
			o := ready(second, digest(1))
			o.Result = duplicate
			c.settle(second, o)
		}
	}
}
