package catalogue_test

import (
	"testing"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
)

// wantStatus holds the stored summary, and its copy, to what the product shows.
func wantStatus(c *testenv.Environment, id int64, want product.ImageStatus) {
	c.T.Helper()
	if got := c.Product(id).ImageStatus; got != string(want) {
		c.T.Errorf("shows %s, want %s", got, want)
	}
	var stored, copied string
	var same bool
	c.Scan(&stored, `SELECT image_status FROM products WHERE id = $1`, id)
	c.Scan(&copied, `SELECT image_status FROM product_states WHERE product_id = $1`, id)
	c.Scan(&same, `SELECT (p.user_id, p.updated_at) = (s.user_id, s.updated_at)
		FROM products AS p JOIN product_states AS s ON s.product_id = p.id WHERE p.id = $1`, id)
	if stored != string(want) || copied != string(want) || !same {
		c.T.Errorf("stored as %s, copied as %s (the rest too: %t), want %s", stored, copied, same, want)
	}
	for _, status := range product.ImageStatuses {
		names, _ := c.ListNames(product.Filter{ImageStatus: status})
		if (len(names) == 1) != (status == want) {
			c.T.Errorf("a product that is %s is listed as %s: %t", want, status, len(names) == 1)
		}
	}
}

// TestStoredImageStatusIsTheSummary follows a product through all that changes the
// states of its images.
func TestStoredImageStatusIsTheSummary(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	wantStatus(c, w.ID, product.ImagesNone)
	set := func(sources ...string) testenv.Product {
		t.Helper()
		if _, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &sources}, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
		return c.Product(w.ID)
	}
	const first, second = "https://a.example/1.png", "https://a.example/2.png"
	images := set(first, second).Images
	wantStatus(c, w.ID, product.ImagesPending)
	one := c.Claim(images[0], "w1")
	wantStatus(c, w.ID, product.ImagesPending)
	c.Settle(one, testenv.FailedOutcome(imaging.CodeSourceNotFound))
	wantStatus(c, w.ID, product.ImagesPending)
	two := c.Claim(images[1], "w2")
	c.Settle(two, testenv.ReadyOutcome(two, testenv.Digest(1)))
	wantStatus(c, w.ID, product.ImagesPartial)
	set(second)
	wantStatus(c, w.ID, product.ImagesReady)
	third := set("https://a.example/3.png").Images[0]
	wantStatus(c, w.ID, product.ImagesPending)
	c.Settle(c.Claim(third, "w3"), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	wantStatus(c, w.ID, product.ImagesFailed)
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, third.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	wantStatus(c, w.ID, product.ImagesPending)
	set()
	wantStatus(c, w.ID, product.ImagesNone)
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if n := c.Count("product_states"); n != 0 {
		t.Errorf("%d states of no product", n)
	}
	wantNew(c, "pending", "https://a.example/4.png")
}

// wantNew creates a product and looks at its stored status.
func wantNew(c *testenv.Environment, want product.ImageStatus, sources ...string) {
	c.T.Helper()
	wantStatus(c, c.NewProduct(sources...).ID, want)
}

// TestImagesTouchNoIndexOfProducts holds the indexes of products to what keeps the
// steps of an image cheap: none is on what such a step changes.
func TestImagesTouchNoIndexOfProducts(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	var touched string
	c.Scan(&touched, `
		SELECT coalesce(string_agg(DISTINCT indexdef, '; '), '') FROM pg_indexes
		WHERE schemaname = current_schema() AND tablename = 'products'
			AND indexdef ~ '\m(image_status|updated_at|version|compressed_product_images)\M'`)
	if touched != "" {
		t.Error(touched)
	}
}
