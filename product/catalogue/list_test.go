package catalogue_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
)

func TestListFilters(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddProduct("Red Lamp", "10")
	c.AddProduct("blue lamp", "10.5")
	c.AddProduct("100%_wool \\ rug", "20")
	c.AddProduct("1000 wool", "999999999999.9999")
	other, err := c.CreateUser(t.Context(), account.NewUser{Name: "Bob", Email: "bob@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), product.NewProduct{UserID: other.ID, Name: "LAMPE ÄÖ", Price: testenv.Price(t, "10.50")}); err != nil {
		t.Fatal(err)
	}
	amount := func(s string) *product.Price { p := testenv.Price(t, s); return &p }
	nobody := int64(testenv.UnknownID)
	for name, f := range map[string]struct {
		product.Filter
		want []string
	}{
		"all":        {product.Filter{}, []string{"LAMPE ÄÖ", "1000 wool", "100%_wool \\ rug", "blue lamp", "Red Lamp"}},
		"user":       {product.Filter{UserID: &other.ID}, []string{"LAMPE ÄÖ"}},
		"nobody":     {product.Filter{UserID: &nobody}, []string{}},
		"name":       {product.Filter{Name: "lAmP"}, []string{"LAMPE ÄÖ", "blue lamp", "Red Lamp"}},
		"percent":    {product.Filter{Name: "0%"}, []string{"100%_wool \\ rug"}},
		"underscore": {product.Filter{Name: "_"}, []string{"100%_wool \\ rug"}},
		"backslash":  {product.Filter{Name: "\\"}, []string{"100%_wool \\ rug"}},
		"min":        {product.Filter{MinPrice: amount("10.50")}, []string{"LAMPE ÄÖ", "1000 wool", "100%_wool \\ rug", "blue lamp"}},
		"max":        {product.Filter{MaxPrice: amount("10.4999")}, []string{"Red Lamp"}},
		"range":      {product.Filter{MinPrice: amount("10.5"), MaxPrice: amount("20")}, []string{"LAMPE ÄÖ", "100%_wool \\ rug", "blue lamp"}},
		"together":   {product.Filter{UserID: &c.User, Name: "lamp", MinPrice: amount("10.1"), Limit: 5}, []string{"blue lamp"}},
		"limit":      {product.Filter{Limit: 2}, []string{"LAMPE ÄÖ", "1000 wool"}},
	} {
		got, page := c.ListNames(f.Filter)
		if diff := cmp.Diff(f.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if page.HasMore != (name == "limit") || page.Items == nil {
			t.Errorf("%s: has more: %t, items %v", name, page.HasMore, page.Items)
		}
	}
}

func TestListShowsWhatGetShows(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, "https://a.example/2.png")
	claim := c.Claim(w.Images[0], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	c.NewProduct("https://a.example/3.png")
	_, page := c.ListNames(product.Filter{})
	s, err := c.Get(t.Context(), product.Everything(), w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(s.Data), string(page.Items[1])); diff != "" {
		t.Error(diff)
	}
}

func TestListWalkWhileTheTableChanges(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	all := make(map[string]int64)
	for i := range 25 {
		name := fmt.Sprintf("p%02d", i)
		all[name] = c.AddProduct(name, "1")
	}
	var seen []string
	f := product.Filter{Limit: 7}
	for page := 0; ; page++ {
		names, p := c.ListNames(f)
		seen = append(seen, names...)
		if !p.HasMore {
			break
		}
		f.Cursor = p.Next
		// One is added, one that was seen goes, the page's last one too, and one ahead.
		c.AddProduct(fmt.Sprintf("new %d", page), "1")
		gone := []string{names[0], names[len(names)-1]}
		if page == 0 {
			gone = append(gone, "p02")
		}
		for _, name := range gone {
			if err := c.Delete(t.Context(), product.Everything(), all[name], product.Precondition{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for i := 24; i >= 0; i-- {
		if i != 2 {
			want = append(want, fmt.Sprintf("p%02d", i))
		}
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestIDsAscend(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	var ids []int64
	for range 50 {
		ids = append(ids, c.AddProduct("x", "1"))
	}
	if !slices.IsSorted(ids) {
		t.Error("later products do not have greater ids")
	}
}
