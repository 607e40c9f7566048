package product_test

import (
	"testing"

	"vitrine/imaging"
	"vitrine/product"
)

// wantStatus holds the stored summary, and its copy, to what the product shows.
func (c *catalogue) wantStatus(id int64, want product.ImageStatus) {
	c.t.Helper()
	if got := c.get(id).ImageStatus; got != string(want) {
		c.t.Errorf("shows %s, want %s", got, want)
	}
	var stored, copied string
	var same bool
	c.scan(&stored, `SELECT image_status FROM products WHERE id = $1`, id)
	c.scan(&copied, `SELECT image_status FROM product_states WHERE product_id = $1`, id)
	c.scan(&same, `SELECT (p.user_id, p.updated_at) = (s.user_id, s.updated_at)
		FROM products AS p JOIN product_states AS s ON s.product_id = p.id WHERE p.id = $1`, id)
	if stored != string(want) || copied != string(want) || !same {
		c.t.Errorf("stored as %s, copied as %s (the rest too: %t), want %s", stored, copied, same, want)
	}
	for _, status := range product.ImageStatuses {
		names, _ := c.list(product.Filter{ImageStatus: status})
		if (len(names) == 1) != (status == want) {
			c.t.Errorf("a product that is %s is listed as %s: %t", want, status, len(names) == 1)
		}
	}
}

// TestStoredImageStatusIsTheSummary follows a product through all that changes the
// states of its images.
func TestStoredImageStatusIsTheSummary(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create()
	c.wantStatus(w.ID, product.ImagesNone)
	set := func(sources ...string) wire {
		t.Helper()
		if _, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &sources}, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
		return c.get(w.ID)
	}
	const first, second = "https://a.example/1.png", "https://a.example/2.png"
	images := set(first, second).Images
	c.wantStatus(w.ID, product.ImagesPending)
	one := c.claim(images[0], "w1")
	c.wantStatus(w.ID, product.ImagesPending)
	c.settle(one, failure(imaging.CodeSourceNotFound))
	c.wantStatus(w.ID, product.ImagesPending)
	two := c.claim(images[1], "w2")
	c.settle(two, ready(two, digest(1)))
	c.wantStatus(w.ID, product.ImagesPartial)
	set(second)
	c.wantStatus(w.ID, product.ImagesReady)
	third := set("https://a.example/3.png").Images[0]
	c.wantStatus(w.ID, product.ImagesPending)
	c.settle(c.claim(third, "w3"), failure(imaging.CodeSourceNotFound))
	c.wantStatus(w.ID, product.ImagesFailed)
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, third.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	c.wantStatus(w.ID, product.ImagesPending)
	set()
	c.wantStatus(w.ID, product.ImagesNone)
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if n := c.count("product_states"); n != 0 {
		t.Errorf("%d states of no product", n)
	}
	c.wantNew("pending", "https://a.example/4.png")
}

// wantNew creates a product and looks at its stored status.
func (c *catalogue) wantNew(want product.ImageStatus, sources ...string) {
	c.t.Helper()
	c.wantStatus(c.create(sources...).ID, want)
}

// TestImagesTouchNoIndexOfProducts holds the indexes of products to what keeps the
// steps of an image cheap: none is on what such a step changes.
func TestImagesTouchNoIndexOfProducts(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	var touched string
	c.scan(&touched, `
		SELECT coalesce(string_agg(DISTINCT indexdef, '; '), '') FROM pg_indexes
		WHERE schemaname = current_schema() AND tablename = 'products'
			AND indexdef ~ '\m(image_status|updated_at|version|compressed_product_images)\M'`)
	if touched != "" {
		t.Error(touched)
	}
}
