package job_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/maintenance"
)

func reserve(c *testenv.Environment, claim imaging.Claim, sha256 string) *imaging.Result {
	c.T.Helper()
	duplicate, err := c.Jobs.Reserve(c.T.Context(), claim, sha256)
	if err != nil {
		c.T.Fatal(err)
	}
	return duplicate
}

// What a ready image of the product was made of is not decoded again.
func TestReserveFindsTheSamePicture(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source)
	first, second, third := c.Claim(w.Images[0], "w-1"), c.Claim(w.Images[1], "w-2"), c.Claim(w.Images[2], "w-3")
	if duplicate := reserve(c, first, testenv.Digest(1)); duplicate != nil {
		t.Errorf("alone: %+v", duplicate)
	}
	if duplicate := reserve(c, second, testenv.Digest(1)); duplicate != nil {
		t.Errorf("a duplicate that is not ready: %+v", duplicate)
	}
	want := testenv.ReadyOutcome(first, testenv.Digest(1))
	want.Result.PipelineVersion = "r"
	c.Settle(first, want)
	got := reserve(c, second, testenv.Digest(1))
	want.Result.Note = ""
	if diff := cmp.Diff(want.Result, got); diff != "" {
		t.Error(diff)
	}
	if duplicate := reserve(c, third, testenv.Digest(2)); duplicate != nil {
		t.Errorf("of other bytes: %+v", duplicate)
	}
	third.Focal = &imaging.Focal{X: 0.5, Y: 0.1}
	if duplicate := reserve(c, third, testenv.Digest(1)); duplicate != nil {
		t.Errorf("round another point: %+v", duplicate)
	}
	c.Exec(`UPDATE images SET focal_x = 0.5, focal_y = 0.1 WHERE id = $1`, w.Images[0].ID)
	if duplicate := reserve(c, third, testenv.Digest(1)); duplicate == nil {
		t.Error("not found by its point")
	}
	other := c.NewProduct(testenv.Source)
	if duplicate := reserve(c, c.Claim(other.Images[0], "w-4"), testenv.Digest(1)); duplicate != nil {
		t.Errorf("of another product: %+v", duplicate)
	}
}

// The objects of a duplicate that was found stay when the duplicate is deleted, whichever
// comes first.
func TestDuplicatesObjectsOutliveIt(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	d := testenv.Deleter{Deleted: make(chan string, 100)}
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run)
	for range 10 {
		w := c.NewProduct(testenv.Source, "https://a.example/2.png")
		first, second := c.Claim(w.Images[0], "w-1"), c.Claim(w.Images[1], "w-2")
		reserve(c, first, testenv.Digest(1))
		c.Settle(first, testenv.ReadyOutcome(first, testenv.Digest(1)))
		var duplicate *imaging.Result
		var race sync.WaitGroup
		race.Go(func() { duplicate = reserve(c, second, testenv.Digest(1)) })
		race.Go(func() { c.SetImages(w.ID, "https://a.example/2.png") })
		race.Wait()
		testenv.Eventually(t, "the deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
		if deleted := len(d.Deleted); duplicate != nil && deleted != 0 {
			t.Fatalf("%s was deleted although it was found", <-d.Deleted)
		}
		for len(d.Deleted) > 0 {
			<-d.Deleted
		}
		if duplicate != nil {
			o := testenv.ReadyOutcome(second, testenv.Digest(1))
			o.Result = duplicate
			c.Settle(second, o)
		}
	}
}
