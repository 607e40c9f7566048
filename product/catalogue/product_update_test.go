package catalogue_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
)

func TestPatchKeepsImagesByURL(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	const a, b, d = "https://x.example/a", "https://x.example/b", "https://x.example/d"
	w := c.NewProduct(a, b, a)
	first, second, third := w.Images[0].ID, w.Images[1].ID, w.Images[2].ID
	claim := c.Claim(w.Images[0], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	claim = c.Claim(w.Images[1], "w")
	c.Settle(claim, testenv.FailedOutcome(imaging.CodeSourceNotFound))
	c.Exec(`DELETE FROM outbox`)

	// Another order is no work.
	w = c.SetImages(w.ID, b, a, a)
	if diff := cmp.Diff([]uuid.UUID{second, first, third}, testenv.ImageIDs(w.Images)); diff != "" {
		t.Error(diff)
	}
	if w.Images[0].Status != "failed" || w.Images[1].Status != "ready" || w.Images[1].Attempts != 1 || w.Images[2].Status != "pending" {
		t.Errorf("%+v", w.Images)
	}
	if n := c.Count("outbox"); n != 0 {
		t.Errorf("%d outbox rows", n)
	}
	// One a less: the first one stays. A new URL is new work.
	w = c.SetImages(w.ID, d, a)
	if w.Images[1].ID != first || slices.Contains([]uuid.UUID{first, second, third}, w.Images[0].ID) || w.Images[0].Status != "pending" {
		t.Errorf("%+v", w.Images)
	}
	if n := c.Count("outbox WHERE kind = 'image_job' AND subject = $1", w.Images[0].ID); n != 1 || c.Count("outbox") != 1 {
		t.Errorf("%d jobs of %d outbox rows", n, c.Count("outbox"))
	}
	if n := c.Count("images"); n != 2 || len(w.Compressed) != 1 {
		t.Errorf("%d images, %v", n, w.Compressed)
	}
	// The same URL twice more are two new images.
	before := testenv.ImageIDs(w.Images)
	w = c.SetImages(w.ID, a, d, a, a)
	if w.Images[0].ID != before[1] || w.Images[1].ID != before[0] || w.Images[2].ID == w.Images[3].ID {
		t.Errorf("%+v", w.Images)
	}
}

func TestRemovedImagesTakeTheirObjectsAlong(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	const a, b = "https://x.example/a", "https://x.example/b"
	w := c.NewProduct(a, b)
	for i, image := range w.Images {
		claim := c.Claim(image, "w")
		c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(i)))
	}
	w = c.SetImages(w.ID, b)
	objectKey := c.ObjectKey(w.ID)
	deletions := func() (list []string) {
		rows, err := c.DB.Query(`SELECT payload ->> 'sha256' FROM outbox WHERE kind = 'delete_objects'
			AND available_at <= clock_timestamp() AND payload ->> 'object_key' = $1 ORDER BY id`, objectKey.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			list = append(list, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if diff := cmp.Diff([]string{testenv.Digest(0)}, deletions()); diff != "" {
		t.Error(diff)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{testenv.Digest(0), testenv.Digest(1)}, deletions()); diff != "" {
		t.Error(diff)
	}
	if n := c.Count("images") + c.Count("image_attempts") + c.Count("products"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestPatchToNoImages(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.SetImages(c.NewProduct(testenv.Source).ID)
	if w.ImageStatus != "none" || w.Version != 2 || c.Product(w.ID).Version != 2 {
		t.Errorf("%+v", w)
	}
}
