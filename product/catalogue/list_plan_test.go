package catalogue_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// parts are values of each part of a filter, from those that select nearly all to
// those that select nothing.
func parts(t *testing.T) map[string][]func(*product.Filter) {
	amount := func(s string) *product.Price { p := testenv.Price(t, s); return &p }
	ago := func(d time.Duration) *time.Time { at := time.Now().Add(-d); return &at }
	return map[string][]func(*product.Filter){
		"price": {
			func(f *product.Filter) { f.MinPrice = amount("1.50") },
			func(f *product.Filter) { f.MinPrice, f.MaxPrice = amount("99.10"), amount("99.40") },
			func(f *product.Filter) { f.MinPrice = amount("5000") },
		},
		"name": {
			func(f *product.Filter) { f.Name = "LAMP" },
			func(f *product.Filter) { f.Name = "brass 7777" },
			func(f *product.Filter) { f.Name = "zq" },
			func(f *product.Filter) { f.Name = "% _" },
		},
		"query": {
			func(f *product.Filter) { f.Query = "kitchen" },
			func(f *product.Filter) { f.Query = "unicorns" },
			func(f *product.Filter) { f.Query = "antique" }, // 19,999 of the oldest
			func(f *product.Filter) { f.Query = `"large piece" or batch77 -kitchen` },
			func(f *product.Filter) { f.Query = "-kitchen" },
		},
		"external id": {
			func(f *product.Filter) { f.ExternalID = "sku-777000" },
			func(f *product.Filter) { f.ExternalID = "sku-1" },
		},
		"status": {
			func(f *product.Filter) { f.ImageStatus = product.ImagesReady },
			func(f *product.Filter) { f.ImageStatus = product.ImagesFailed },
			func(f *product.Filter) { f.ImageStatus = product.ImagesPartial },
		},
		"created": {
			func(f *product.Filter) { f.CreatedAfter = ago(240 * time.Hour) },
			func(f *product.Filter) { f.CreatedBefore = ago(240 * time.Hour) },
			func(f *product.Filter) { f.CreatedAfter, f.CreatedBefore = ago(50*time.Hour), ago(49*time.Hour) },
		},
	}
}

// planFilters are the lists that are explained: every part of a filter alone, in every
// order, and random combinations, for users with few and with many products and for
// all.
func planFilters(t *testing.T, m *million, random *rand.Rand) []product.Filter {
	var filters []product.Filter
	add := func(f product.Filter, sort product.Sort, users ...string) {
		f.Sort = sort
		for _, user := range users {
			f.UserID = nil
			if id, ok := m.users[user]; ok {
				f.UserID = &id
			}
			filters = append(filters, f)
		}
	}
	all := parts(t)
	names, users := slices.Sorted(maps.Keys(all)), []string{"all", "most", "thousands", "few"}
	for _, sort := range product.Sorts {
		add(product.Filter{Limit: 100, Total: true}, sort, users...)
		for _, name := range names {
			for _, set := range all[name] {
				f := product.Filter{Total: random.IntN(4) == 0}
				set(&f)
				add(f, sort, "all", users[1+random.IntN(3)])
			}
		}
	}
	for range 120 {
		f := product.Filter{Limit: 1 + random.IntN(100), Total: random.IntN(4) == 0}
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names[:2+random.IntN(len(names)-1)] {
			all[name][random.IntN(len(all[name]))](&f)
		}
		add(f, product.Sorts[random.IntN(len(product.Sorts))], users[random.IntN(len(users))])
	}
	return filters
}

// TestListsOfAMillionProducts looks at lists where it matters how they are read. It is
// not parallel, so that its loading comes before the tests that measure time.
func TestListsOfAMillionProducts(t *testing.T) {
	m := newMillion(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	t.Run("plans", func(t *testing.T) { m.explain(t, random) })
	t.Run("walks", func(t *testing.T) { m.walk(t, random) })
}

// explain reads the plans of the statements of lists, as they run: each reads no table
// from end to end, sorts no more than a set that one index gave, and reads no more rows
// than promised, those included that it throws away.
func (m *million) explain(t *testing.T, random *rand.Rand) {
	began, lists, statements, most, blocks, slowest := time.Now(), 0, 0, 0, 0, explained{}
	for _, f := range planFilters(t, m, random) {
		for range 2 { // the first page and the second one
			e := &explainer{}
			ids, page, err := m.service.ListThrough(t.Context(), product.Everything(), f, func(tx sqlx.QueryerContext) sqlx.QueryerContext {
				e.QueryerContext = tx
				return e
			})
			if err != nil {
				t.Fatalf("%s: %v", describe(f), err)
			}
			rows := e.check(t, f)
			if len(ids) < f.Limit && page.HasMore && rows < catalogue.ReadLimit {
				t.Errorf("%s: gives up after %d rows", describe(f), rows)
			}
			lists, statements, most = lists+1, statements+len(e.plans), max(most, rows)
			for _, x := range e.plans {
				blocks = max(blocks, x.plan.Hit+x.plan.Read)
				if x.millis > slowest.millis {
					slowest = x
				}
			}
			if f.Cursor = page.Next; !page.HasMore {
				break
			}
		}
	}
	t.Logf("%d lists, %d statements in %.1f s; a list reads up to %d rows, a statement up to %d blocks; the slowest took %.0f ms: %s",
		lists, statements, time.Since(began).Seconds(), most, blocks, slowest.millis, slowest.query)
}

// walk goes through whole lists, including those with matches so rare that a page reads
// its maximum, and compares them with the result of a plain statement.
func (m *million) walk(t *testing.T, random *rand.Rand) {
	db, most := testenv.OpenDB(t, m.DSN), m.users["most"]
	for _, list := range []struct {
		product.Filter
		plain string
		empty bool // some pages are, although others follow
	}{
		{product.Filter{Query: "antique"}, `product_description LIKE '%antique%'`, true},
		{product.Filter{Query: "antique", Name: "zq"}, `false`, true},
		{product.Filter{Name: "oak 1"}, `product_name LIKE '%oak 1%'`, false},
		{product.Filter{ImageStatus: product.ImagesFailed, Query: "-kitchen"}, `image_status = 'failed' AND product_description NOT LIKE '%kitchen%'`, false},
		{product.Filter{ImageStatus: product.ImagesPartial}, `image_status = 'partial'`, false},
	} {
		f := list.Filter
		f.UserID, f.Limit, f.Sort = &most, 100, product.DefaultSort
		order := "created_at DESC, id DESC"
		if !list.empty && random.IntN(2) == 0 {
			f.Sort, order = "product_name", `lower(product_name) COLLATE "C", id`
		}
		var want, got []int64
		if err := db.QueryRowContext(t.Context(), `SELECT coalesce(array_agg(id ORDER BY `+order+`), '{}') FROM products WHERE user_id = $1 AND `+list.plain, most).
			Scan(pq.Array(&want)); err != nil {
			t.Fatal(err)
		}
		empty := false
		for {
			ids, page, err := m.service.ListThrough(t.Context(), product.OwnedBy(most), f, func(tx sqlx.QueryerContext) sqlx.QueryerContext { return tx })
			if err != nil {
				t.Fatalf("%s: %v", describe(f), err)
			}
			got, empty = append(got, ids...), empty || len(ids) == 0 && page.HasMore
			if f.Cursor = page.Next; !page.HasMore {
				break
			}
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: %d products, want %d", describe(f), len(got), len(want))
		}
		if list.empty && !empty {
			t.Errorf("%s: no empty page: the list shows nothing of rare matches", describe(f))
		}
	}
}
