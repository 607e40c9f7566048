package catalogue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/catalogue"
)

// addDescribed makes a product with a description.
func addDescribed(c *testenv.Environment, name, description string) int64 {
	c.T.Helper()
	s, err := c.Create(c.T.Context(), product.NewProduct{UserID: c.User, Name: name, Description: description, Price: testenv.Price(c.T, "1")})
	if err != nil {
		c.T.Fatal(err)
	}
	return s.ID
}

func TestListByWords(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	addDescribed(c, "Desk lamp", "Brass, for the reading corner")
	addDescribed(c, "Reading chair", "a corner piece")
	addDescribed(c, "Leuchte", "aus Messing, für Leseecken")
	for query, want := range map[string][]string{
		"lamp":                  {"Desk lamp"},
		"LAMPS":                 {"Desk lamp"}, // stems
		"corner reading":        {"Reading chair", "Desk lamp"},
		`"reading corner"`:      {"Desk lamp"},
		"corner -brass":         {"Reading chair"},
		"-corner":               {"Leuchte"},
		"brass or piece":        {"Reading chair", "Desk lamp"},
		"leseecken":             {"Leuchte"},
		"messing the":           {"Leuchte"}, // a word that does not count
		"for":                   nil,
		"the":                   nil,
		"!!! & | ' \\ :* <-> (": nil,
		"or":                    nil,
		"unicorn":               {},
	} {
		f := product.Filter{Query: query}
		if want == nil {
			_, err := c.List(t.Context(), product.Everything(), f)
			if fields := testenv.WantFields(t, err, "q"); fields[0].Code != "no_words" {
				t.Errorf("%q: %s", query, fields[0].Code)
			}
			continue
		}
		got, _ := c.ListNames(f)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	}
	// A changed text is found by its new words alone.
	id := addDescribed(c, "Stool", "oak")
	text := "birch"
	if _, err := c.Patch(t.Context(), product.Everything(), id, product.Patch{Description: &text}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	old, _ := c.ListNames(product.Filter{Query: "oak"})
	found, _ := c.ListNames(product.Filter{Query: "birch"})
	if diff := cmp.Diff([][]string{{}, {"Stool"}}, [][]string{old, found}); diff != "" {
		t.Error(diff)
	}
}

func TestListByTimeIsExclusive(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	base := time.Date(2026, 3, 1, 12, 0, 0, 500_000, time.UTC)
	for i := range 3 {
		id := c.AddProduct(fmt.Sprint(i), "1")
		c.Exec(`UPDATE products SET created_at = $2 WHERE id = $1`, id, base.Add(time.Duration(i)*time.Microsecond))
	}
	at := func(d time.Duration) *time.Time { t := base.Add(d).In(time.FixedZone("", 3600)); return &t }
	for name, f := range map[string]struct {
		after, before *time.Time
		want          []string
	}{
		"after":                {at(0), nil, []string{"2", "1"}},
		"before":               {nil, at(2 * time.Microsecond), []string{"1", "0"}},
		"between":              {at(0), at(2 * time.Microsecond), []string{"1"}},
		"finer than the clock": {at(-1), at(1), []string{"0"}},
		"nothing between":      {at(1), at(999), []string{}},
		"never":                {at(time.Hour), nil, []string{}},
	} {
		for _, sort := range []product.Sort{"", "-updated_at"} {
			got, _ := c.ListNames(product.Filter{CreatedAfter: f.after, CreatedBefore: f.before, Sort: sort})
			want := f.want
			if diff := cmp.Diff(want, got); diff != "" && sort == "" {
				t.Errorf("%s: %s", name, diff)
			}
			if len(got) != len(want) {
				t.Errorf("%s by %q: %v, want %v", name, sort, got, want)
			}
		}
	}
}

func TestListSorts(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	b := c.AddProduct("b", "10")
	c.AddProduct("A", "9.5")
	c.AddProduct("ä", "100")
	c.AddProduct("C", "9.50") // the same price as A, later
	name := "B"
	if _, err := c.Patch(t.Context(), product.Everything(), b, product.Patch{Name: &name}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	for sort, want := range map[product.Sort][]string{
		"":               {"C", "ä", "A", "B"},
		"-created_at":    {"C", "ä", "A", "B"},
		"created_at":     {"B", "A", "ä", "C"},
		"updated_at":     {"A", "ä", "C", "B"},
		"-updated_at":    {"B", "C", "ä", "A"},
		"product_price":  {"A", "C", "B", "ä"},
		"-product_price": {"ä", "B", "C", "A"},
		"product_name":   {"A", "B", "C", "ä"},
		"-product_name":  {"ä", "C", "B", "A"},
	} {
		for _, user := range []*int64{nil, &c.User} {
			got, _ := c.ListNames(product.Filter{Sort: sort, UserID: user})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: %s", sort, diff)
			}
		}
	}
}

func TestListTotals(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	for i := range 7 {
		c.AddProduct([]string{"Lamp", "Rug"}[i%2], fmt.Sprint(i))
	}
	// More than are counted, of another user.
	crowd := c.AddUser()
	c.Exec(`INSERT INTO products (user_id, product_name, product_price)
		SELECT $1, 'Vase', 1000 FROM generate_series(1, $2)`, crowd, catalogue.CountLimit+1)
	low := testenv.Price(t, "2")
	nobody := int64(testenv.UnknownID)
	for name, list := range map[string]struct {
		product.Filter
		want product.Total
	}{
		"a user's":                {product.Filter{UserID: &c.User}, product.Total{Count: 7, Exact: true}},
		"a user's, one part":      {product.Filter{UserID: &c.User, MinPrice: &low}, product.Total{Count: 5, Exact: true}},
		"a user's, two parts":     {product.Filter{UserID: &c.User, MinPrice: &low, Name: "lamp"}, product.Total{Count: 3, Exact: true}},
		"by name, one page":       {product.Filter{Name: "lamp", Limit: 2}, product.Total{Count: 4, Exact: true}},
		"by word":                 {product.Filter{Query: "rugs"}, product.Total{Count: 3, Exact: true}},
		"by word and part":        {product.Filter{Query: "rugs", MinPrice: &low}, product.Total{Count: 2, Exact: true}},
		"nobody's":                {product.Filter{UserID: &nobody}, product.Total{Exact: true}},
		"everything":              {product.Filter{}, product.Total{Count: catalogue.CountLimit}},
		"a part of everything":    {product.Filter{MinPrice: &low}, product.Total{Count: catalogue.CountLimit}},
		"parts of too many":       {product.Filter{MinPrice: &low, Name: "vase"}, product.Total{Count: catalogue.ReadLimit}},
		"one user's of too many":  {product.Filter{UserID: &crowd, Name: "vase"}, product.Total{Count: catalogue.ReadLimit}},
		"one user's, none of any": {product.Filter{UserID: &crowd, Query: "rug"}, product.Total{Exact: true}},
	} {
		f := list.Filter
		if _, page := c.ListNames(f); page.Total != nil {
			t.Errorf("%s: counted without being asked", name)
		}
		f.Total = true
		for range 2 { // it is the same on every page
			_, page := c.ListNames(f)
			if diff := cmp.Diff(&list.want, page.Total); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			f.Cursor = page.Next
		}
	}
}

func TestListScope(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddProduct("mine", "1")
	eve, err := c.CreateUser(t.Context(), account.NewUser{Name: "Eve", Email: "eve@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []product.Filter{{}, {Name: "mine"}, {Query: "mine"}, {UserID: &c.User}, {ImageStatus: product.ImagesNone}} {
		for _, f.Sort = range product.Sorts {
			f.Total = true
			page, err := c.List(t.Context(), product.OwnedBy(eve.ID), f)
			if err != nil || len(page.Items) != 0 || page.HasMore || *page.Total != (product.Total{Exact: true}) {
				t.Errorf("%s: Eve sees %v, %v", describe(f), page, err)
			}
			if mine, err := c.List(t.Context(), product.OwnedBy(c.User), f); err != nil || len(mine.Items) != 1 || mine.Total.Count != 1 {
				t.Errorf("%s: the owner sees %v, %v", describe(f), mine, err)
			}
			if nobody, err := c.List(t.Context(), product.Scope{}, f); err != nil || len(nobody.Items) != 0 {
				t.Errorf("%s: the empty scope sees %v, %v", describe(f), nobody, err)
			}
		}
	}
}

func TestFilterIsValidated(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for field, f := range map[string]product.Filter{
		"image_status":   {ImageStatus: "processing"},
		"sort":           {Sort: "+created_at"},
		"q":              {Query: fmt.Sprintf("%0201d", 0)},
		"created_before": {CreatedAfter: &now, CreatedBefore: &now},
		"limit":          {Limit: 101},
		"cursor":         {Cursor: "x"},
	} {
		testenv.WantFields(t, f.Validate(), field)
	}
	testenv.WantFields(t, product.Filter{Sort: "price", Limit: -1, Cursor: "x"}.Validate(), "sort", "limit", "cursor")
}
