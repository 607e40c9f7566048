package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/product"
)

// stock fills a catalogue with products that are equal in many fields, so that pages
// end among equals, and returns the ids.
func stock(c *testenv.Environment, random *rand.Rand, n int) []int64 {
	c.T.Helper()
	ids := make([]int64, n)
	for i := range ids {
		var err error
		if ids[i], err = restock(c.T.Context(), c, random); err != nil {
			c.T.Fatal(err)
		}
	}
	return ids
}

func restock(ctx context.Context, c *testenv.Environment, random *rand.Rand) (int64, error) {
	s, err := c.Create(ctx, product.NewProduct{
		UserID: c.User, Name: stockName(random), Price: stockPrice(c.T, random),
		Description: []string{"", "for the kitchen", "for halls"}[random.IntN(3)],
		Images:      []string{"https://a.example/1.png"}[:random.IntN(2)],
	})
	return s.ID, err
}

func stockName(random *rand.Rand) string {
	return []string{"Lamp", "lamp", "LAMP é", "Rug", "rugs", "Zinc", "a", "%"}[random.IntN(8)]
}

func stockPrice(t *testing.T, random *rand.Rand) product.Price {
	return testenv.Price(t, []string{"0", "1.5", "1.50", "7", "7.0001", "100"}[random.IntN(6)])
}

// walkFilter is a random filter, and the same as a plain condition.
func walkFilter(t *testing.T, random *rand.Rand, user int64) (product.Filter, string) {
	f := product.Filter{Sort: product.Sorts[random.IntN(len(product.Sorts))], Limit: 1 + random.IntN(40)}
	conditions := []string{"true"}
	add := func(condition string, set func()) {
		if random.IntN(3) == 0 {
			conditions = append(conditions, condition)
			set()
		}
	}
	amount := func(s string) *product.Price { p := testenv.Price(t, s); return &p }
	add("true", func() { f.UserID = &user })
	add("product_price >= 1.5", func() { f.MinPrice = amount("1.5") })
	add("product_price <= 7", func() { f.MaxPrice = amount("7") })
	add("position('la' in lower(product_name)) > 0", func() { f.Name = "La" })
	add("product_description LIKE '%kitchen%'", func() { f.Query = "kitchens" })
	add("cardinality(product_images) > 0", func() { f.ImageStatus = product.ImagesPending })
	return f, strings.Join(conditions, " AND ")
}

// plainOrder is a sort as ORDER BY.
func plainOrder(sort product.Sort) string {
	field, descending := strings.CutPrefix(string(sort), "-")
	if field == "product_name" {
		field = `lower(product_name) COLLATE "C"`
	}
	if descending {
		return field + " DESC, id DESC"
	}
	return field + ", id"
}

// churn creates, changes and deletes products until ctx ends, those in ids among them.
func churn(ctx context.Context, c *testenv.Environment, random *rand.Rand, ids []int64) error {
	ids = slices.Clone(ids)
	for ctx.Err() == nil {
		i := random.IntN(len(ids))
		var err error
		switch random.IntN(3) {
		case 0:
			var id int64
			if id, err = restock(ctx, c, random); err == nil {
				ids = append(ids, id)
			}
		case 1:
			name, amount := stockName(random), stockPrice(c.T, random)
			_, err = c.Patch(ctx, product.Everything(), ids[i], product.Patch{Name: &name, Price: &amount}, product.Precondition{})
		default:
			if err = c.Delete(ctx, product.Everything(), ids[i], product.Precondition{}); err == nil {
				ids = append(slices.Delete(ids, i, i+1), ids[0])
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, product.ErrNotFound) {
			return err
		}
	}
	return nil
}

// TestWalksWhileProductsChange walks through random lists while other products come,
// go and move: every product that stays as it is is seen once, in its order. In an
// order that no change moves, no product at all is seen twice.
func TestWalksWhileProductsChange(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	still, moving := stock(c, random, 250), stock(c, random, 60)
	random.Shuffle(len(still), func(i, j int) { still[i], still[j] = still[j], still[i] })

	ctx, stop := context.WithCancel(t.Context())
	var writers errgroup.Group
	for i := range uint64(2) {
		writers.Go(func() error { return churn(ctx, c, rand.New(rand.NewPCG(seed, i+1)), moving) })
	}
	for range 25 {
		f, condition := walkFilter(t, random, c.User)
		var want []int64
		c.Scan(pq.Array(&want), fmt.Sprintf(`SELECT coalesce(array_agg(id ORDER BY %s), '{}') FROM products WHERE id = ANY ($1) AND %s`,
			plainOrder(f.Sort), condition), pq.Array(still))
		seen := walk(c, f)
		var got []int64
		times := make(map[int64]int)
		for _, id := range seen {
			if times[id]++; slices.Contains(still, id) {
				got = append(got, id)
			} else if times[id] > 1 && strings.HasSuffix(string(f.Sort), "created_at") {
				t.Errorf("%s: product %d came twice", describe(f), id)
			}
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: %d products that stayed, want %d:\n%v\n%v", describe(f), len(got), len(want), got, want)
		}
	}
	stop()
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
}

// walk follows a list to its end.
func walk(c *testenv.Environment, f product.Filter) (seen []int64) {
	c.T.Helper()
	for {
		_, page := c.ListNames(f)
		if len(page.Items) > f.Limit {
			c.T.Errorf("%s: %d products on a page", describe(f), len(page.Items))
		}
		seen = append(seen, c.PageIDs(page)...)
		if f.Cursor = page.Next; !page.HasMore {
			return seen
		}
	}
}
