package catalogue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lib/pq"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// TestRareMatchesInEveryOrder has matches that are too rare to be met on the way
// through the list: they are read by what makes them rare, and put in order. Many are
// equal in every field, and as many belong to another user.
func TestRareMatchesInEveryOrder(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	other := c.AddUser()
	// What is rare comes in the middle of every order.
	const insert = `
		INSERT INTO products (user_id, product_name, product_description, product_price, image_status, created_at, updated_at)
		SELECT $1, $2, '', cast($3 AS integer) + n % 2, $4,
			cast($5 AS timestamptz) + n % 2 * interval '1 s', cast($5 AS timestamptz) + n % 2 * interval '1 s'
		FROM generate_series(1, cast($6 AS integer)) AS n`
	early, rare, late := time.Unix(1_700_000_000, 0), time.Unix(1_750_000_000, 0), time.Unix(1_780_000_000, 0)
	c.Exec(insert, c.User, "Chair", 10, "ready", early, catalogue.ReadLimit/2+1)
	c.Exec(insert, c.User, "Table", 1000, "ready", late, catalogue.ReadLimit/2+1)
	for _, user := range []int64{c.User, other} {
		c.Exec(insert, user, "Rug", 100, "partial", rare, 20)
		c.Exec(insert, user, "rug", 100, "partial", rare, 20)
	}
	low, high := testenv.Price(t, "50"), testenv.Price(t, "500")
	after, before := rare.Add(-time.Hour), rare.Add(time.Hour)
	for name, f := range map[string]product.Filter{
		"word":     {Query: "rugs"},
		"name":     {Name: "rug"},
		"status":   {ImageStatus: product.ImagesPartial},
		"price":    {MinPrice: &low, MaxPrice: &high},
		"time":     {CreatedAfter: &after, CreatedBefore: &before},
		"together": {Query: "rug or chair", Name: "rug", MinPrice: &low, CreatedAfter: &after},
	} {
		for _, sort := range product.Sorts {
			for _, scope := range []product.Scope{product.Everything(), product.OwnedBy(c.User), product.OwnedBy(other)} {
				g := f
				g.Sort, g.Limit, g.Total = sort, 7, true
				var owner *int64
				if user, limited := scope.User(); limited {
					owner = &user
				}
				var want, got []int64
				c.Scan(pq.Array(&want), `SELECT array_agg(id ORDER BY `+plainOrder(sort)+`) FROM products
					WHERE image_status = 'partial' AND user_id = coalesce($1, user_id)`, owner)
				for len(got) <= len(want) {
					page, err := c.List(t.Context(), scope, g)
					if err != nil {
						t.Fatalf("%s: %v", describe(g), err)
					}
					got = append(got, c.PageIDs(page)...)
					if page.HasMore && len(page.Items) != g.Limit || *page.Total != (product.Total{Count: len(want), Exact: true}) {
						t.Errorf("%s by %s: %d products and more: %t, %v in all", name, sort, len(page.Items), page.HasMore, *page.Total)
					}
					if g.Cursor = page.Next; !page.HasMore {
						break
					}
				}
				if !slices.Equal(want, got) {
					t.Errorf("%s by %s for %v: got %d, want %d:\n%v\n%v", name, sort, owner, len(got), len(want), got, want)
				}
			}
		}
	}
}
