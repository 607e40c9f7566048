package product_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
)

func TestPatchKeepsImagesByURL(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	const a, b, d = "https://x.example/a", "https://x.example/b", "https://x.example/d"
	w := c.create(a, b, a)
	first, second, third := w.Images[0].ID, w.Images[1].ID, w.Images[2].ID
	claim := c.claim(w.Images[0], "w")
	c.settle(claim, ready(claim, digest(1)))
	claim = c.claim(w.Images[1], "w")
	c.settle(claim, failure(imaging.CodeSourceNotFound))
	c.exec(`DELETE FROM outbox`)

	// Another order is no work.
	w = c.setImages(w.ID, b, a, a)
	if diff := cmp.Diff([]uuid.UUID{second, first, third}, ids(w.Images)); diff != "" {
		t.Error(diff)
	}
	if w.Images[0].Status != "failed" || w.Images[1].Status != "ready" || w.Images[1].Attempts != 1 || w.Images[2].Status != "pending" {
		t.Errorf("%+v", w.Images)
	}
	if n := c.count("outbox"); n != 0 {
		t.Errorf("%d outbox rows", n)
	}
	// One a less: the first one stays. A new URL is new work.
	w = c.setImages(w.ID, d, a)
	if w.Images[1].ID != first || slices.Contains([]uuid.UUID{first, second, third}, w.Images[0].ID) || w.Images[0].Status != "pending" {
		t.Errorf("%+v", w.Images)
	}
	if n := c.count("outbox WHERE kind = 'image_job' AND subject = $1", w.Images[0].ID); n != 1 || c.count("outbox") != 1 {
		t.Errorf("%d jobs of %d outbox rows", n, c.count("outbox"))
	}
	if n := c.count("images"); n != 2 || len(w.Compressed) != 1 {
		t.Errorf("%d images, %v", n, w.Compressed)
	}
	// The same URL twice more are two new images.
	before := ids(w.Images)
	w = c.setImages(w.ID, a, d, a, a)
	if w.Images[0].ID != before[1] || w.Images[1].ID != before[0] || w.Images[2].ID == w.Images[3].ID {
		t.Errorf("%+v", w.Images)
	}
}

func TestRemovedImagesTakeTheirObjectsAlong(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	const a, b = "https://x.example/a", "https://x.example/b"
	w := c.create(a, b)
	for i, image := range w.Images {
		claim := c.claim(image, "w")
		c.settle(claim, ready(claim, digest(i)))
	}
	w = c.setImages(w.ID, b)
	objectKey := c.objectKey(w.ID)
	deletions := func() (list []string) {
		rows, err := c.db.Query(`SELECT payload ->> 'sha256' FROM outbox WHERE kind = 'delete_objects'
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
	if diff := cmp.Diff([]string{digest(0)}, deletions()); diff != "" {
		t.Error(diff)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{digest(0), digest(1)}, deletions()); diff != "" {
		t.Error(diff)
	}
	if n := c.count("images") + c.count("image_attempts") + c.count("products"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestPatchToNoImages(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.setImages(c.create(source).ID)
	if w.ImageStatus != "none" || w.Version != 2 || c.get(w.ID).Version != 2 {
		t.Errorf("%+v", w)
	}
}
