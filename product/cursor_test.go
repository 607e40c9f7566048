package product_test

import (
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product"
)

func TestDamagedCursorsAreRefused(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	for range 3 {
		c.AddProduct("x", "1")
	}
	_, page := c.ListNames(product.Filter{Limit: 2})
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	bad := []string{"x", page.Next + "A", page.Next[1:], strings.ToUpper(page.Next), page.Next + "=", " " + page.Next, "é"}
	for i := range page.Next {
		other := alphabet[(strings.IndexByte(alphabet, page.Next[i])+1)%64]
		bad = append(bad, page.Next[:i]+string(other)+page.Next[i+1:])
	}
	for _, cursor := range bad {
		_, err := c.List(t.Context(), product.Everything(), product.Filter{Cursor: cursor})
		testenv.WantFields(t, err, "cursor")
	}
}

func TestCursorBelongsToItsSortAndFilter(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	for range 3 {
		c.AddProduct("Lamp", "1.50")
	}
	amount, other := testenv.Price(t, "1.5"), testenv.Price(t, "1.6")
	f := product.Filter{MinPrice: &amount, Name: "lamp", Query: "lamp", ImageStatus: product.ImagesNone, UserID: &c.User, Limit: 1}
	_, page := c.ListNames(f)
	f.Cursor = page.Next
	rescaled, later := testenv.Price(t, "1.50"), time.Now().Add(-time.Hour)
	for name, same := range map[string]func(*product.Filter){
		"limit":           func(f *product.Filter) { f.Limit = 2 },
		"total":           func(f *product.Filter) { f.Total = true },
		"default sort":    func(f *product.Filter) { f.Sort = product.DefaultSort },
		"the same amount": func(f *product.Filter) { f.MinPrice = &rescaled },
	} {
		g := f
		same(&g)
		if names, _ := c.ListNames(g); len(names) == 0 {
			t.Errorf("%s: the page is empty", name)
		}
	}
	for name, change := range map[string]struct {
		code string
		set  func(*product.Filter)
	}{
		"sort":         {"other_sort", func(f *product.Filter) { f.Sort = "created_at" }},
		"field":        {"other_sort", func(f *product.Filter) { f.Sort = "-product_price" }},
		"user":         {"other_filter", func(f *product.Filter) { f.UserID = nil }},
		"external id":  {"other_filter", func(f *product.Filter) { f.ExternalID = "lamp-7" }},
		"low":          {"other_filter", func(f *product.Filter) { f.MinPrice = nil }},
		"high":         {"other_filter", func(f *product.Filter) { f.MaxPrice = &other }},
		"name":         {"other_filter", func(f *product.Filter) { f.Name = "Lamp" }},
		"query":        {"other_filter", func(f *product.Filter) { f.Query = "lamps" }},
		"status":       {"other_filter", func(f *product.Filter) { f.ImageStatus = "" }},
		"after":        {"other_filter", func(f *product.Filter) { f.CreatedAfter = &later }},
		"before":       {"other_filter", func(f *product.Filter) { f.CreatedBefore = &later }},
		"another list": {"invalid", func(f *product.Filter) { f.Cursor = product.IDCursor(uuid.New()) }},
	} {
		g := f
		change.set(&g)
		_, err := c.List(t.Context(), product.Everything(), g)
		if fields := testenv.WantFields(t, err, "cursor"); fields[0].Code != change.code {
			t.Errorf("%s: %s, want %s", name, fields[0].Code, change.code)
		}
	}
}

// TestForgedCursorsAreHarmless uses positions that no list has returned. Those that
// PostgreSQL could not read or that lie outside the filter are refused; the others select
// another page.
func TestForgedCursorsAreHarmless(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddProduct("Lamp", "15")
	low, high := testenv.Price(t, "10"), testenv.Price(t, "20")
	after, before := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for sort, keys := range map[product.Sort]struct{ good, bad []string }{
		"product_price": {
			[]string{"10", "10.0000", "20"},
			[]string{"", "9.9999", "20.0001", "1e1", "NaN", "-1", "x", "010", "15.00001", strings.Repeat("1", 3000)},
		},
		"product_name": {
			[]string{"", "lamp", "\U0010ffff", strings.Repeat("ä", 200), "'; DROP TABLE users", "%", "LAMP"},
			[]string{"a\x00b", "\xff", strings.Repeat("a", 2000)},
		},
		"created_at": {
			[]string{"2020-01-01T00:00:00.000001Z", "2029-12-31T23:59:59.999999Z"},
			[]string{"", "2020-01-01T00:00:00.000000Z", "2030-01-01T00:00:00.000000Z", "2025-01-01T00:00:00Z",
				"2025-01-01 00:00:00.000000Z", "2025-02-30T00:00:00.000000Z", "infinity", "now"},
		},
		"updated_at": {
			[]string{"0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"},
			[]string{"0000-01-01T00:00:00.000000Z", "10000-01-01T00:00:00.000000Z", "-infinity"},
		},
	} {
		for _, direction := range []product.Sort{"", "-"} {
			f := product.Filter{Sort: direction + sort, MinPrice: &low, MaxPrice: &high, CreatedAfter: &after, CreatedBefore: &before}
			for _, key := range keys.good {
				for _, id := range []int64{0, math.MaxInt64, math.MinInt64, testenv.UnknownID} {
					f.Cursor = product.ForgeCursor(f, key, id)
					if _, err := c.List(t.Context(), product.Everything(), f); err != nil {
						t.Errorf("%s after %q: %v", f.Sort, key, err)
					}
				}
			}
			for _, key := range keys.bad {
				f.Cursor = product.ForgeCursor(f, key, testenv.UnknownID)
				_, err := c.List(t.Context(), product.Everything(), f)
				testenv.WantFields(t, err, "cursor")
			}
		}
	}
}

// FuzzCursor checks that every position has exactly one text, and that Validate accepts no
// other text.
func FuzzCursor(f *testing.F) {
	keys := []string{"2025-01-01T00:00:00.000000Z", "12.50", "lamp", "", "\xff", "NaN", "é\x00"}
	for i, sort := range product.Sorts {
		for _, key := range keys {
			f.Add(i, product.ForgeCursor(product.Filter{Sort: sort}, key, math.MaxInt64), key)
		}
	}
	f.Add(0, product.IDCursor(uuid.Max), "")
	f.Add(1, "Ag", "")
	f.Add(2, "====", "")
	f.Fuzz(func(t *testing.T, sort int, cursor, key string) {
		filter := product.Filter{Sort: product.Sorts[uint(sort)%uint(len(product.Sorts))], Cursor: cursor}
		err := filter.Validate()
		if k, id, ok := product.CursorPosition(filter); ok != (err == nil && cursor != "") {
			t.Errorf("position %t, error %v", ok, err)
		} else if ok && product.ForgeCursor(filter, k, id) != cursor {
			t.Errorf("%q is a second text of position %q %d", cursor, k, id)
		}
		id := int64(crc32.ChecksumIEEE([]byte(cursor)))
		filter.Cursor = product.ForgeCursor(filter, key, id)
		if k, i, ok := product.CursorPosition(filter); ok && (k != key || i != id) {
			t.Errorf("%q %d became %q %d", key, id, k, i)
		}
	})
}
