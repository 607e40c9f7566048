package catalogue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
)

func TestCreateShowsTheWholeProduct(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	ctx := product.WithRequestID(t.Context(), "r-1")
	s, err := c.Create(ctx, product.NewProduct{
		UserID: c.User, Name: "Lamp <&>", Price: testenv.Price(t, "19.90"), Images: []string{"https://a.example/1.png?x=1&y=2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := testenv.Decode(t, s.Data)
	stamp := regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"`)
	got := stamp.ReplaceAllString(string(s.Data), `"T"`)
	want := fmt.Sprintf(`{"id":%d,"user_id":%d,"product_name":"Lamp <&>","product_description":"",`+
		`"product_images":["https://a.example/1.png?x=1&y=2"],"compressed_product_images":null,"product_price":19.90,`+
		`"images":[{"id":%q,"position":0,"source":"https://a.example/1.png?x=1&y=2","alt":null,"focal":null,"status":"pending","error":null,"url":null,`+
		`"width":null,"height":null,"bytes":null,"format":null,"placeholder":null,"average_color":null,"animated":false,"variants":[],"attempts":0}],`+
		`"image_status":"pending","metadata":{},"external_id":null,"version":1,"created_at":"T","updated_at":"T"}`, s.ID, c.User, w.Images[0].ID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.Source != product.FromDatabase || s.Owner != c.User || s.Version != 1 {
		t.Errorf("%+v", s)
	}
	var payload, request string
	c.Scan(&payload, `SELECT payload FROM outbox WHERE kind = 'image_job'`)
	c.Scan(&request, `SELECT request_id FROM outbox`)
	if want := fmt.Sprintf(`{"image_id": %q, "generation": 1}`, w.Images[0].ID); payload != want || request != "r-1" {
		t.Errorf("job %s of %q, want %s", payload, request, want)
	}
	if n := c.Count("images WHERE request_id = 'r-1'"); n != 1 {
		t.Errorf("%d images know their request", n)
	}
}

func TestCreateWithoutImages(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	if w.ImageStatus != "none" || w.Sources == nil || len(w.Sources) != 0 || w.Images == nil || w.Compressed != nil {
		t.Errorf("%+v", w)
	}
	if n := c.Count("outbox"); n != 0 {
		t.Errorf("%d outbox rows", n)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	_, err := c.Create(t.Context(), product.NewProduct{UserID: testenv.UnknownID, Name: "Lamp"})
	testenv.WantFields(t, err, "user_id")
	_, err = c.Create(t.Context(), product.NewProduct{UserID: c.User})
	testenv.WantFields(t, err, "product_name")
	if n := c.Count("products"); n != 0 {
		t.Errorf("%d products", n)
	}
}

func TestPricesAreExact(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	for _, p := range []string{"0", "0.1", "19.90", "999999999999.9999", "0.0001", "100"} {
		s, err := c.Create(t.Context(), product.NewProduct{UserID: c.User, Name: "Lamp", Price: testenv.Price(t, p)})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Product(s.ID).Price.String(); got != p {
			t.Errorf("%s came back as %s", p, got)
		}
	}
	// What passes by the service meets the table's own rules.
	for _, p := range []string{"-1", "1000000000000", "0.00001", "'NaN'", "'Infinity'"} {
		_, err := c.DB.ExecContext(t.Context(), `INSERT INTO products (user_id, product_name, product_price)
			VALUES ($1, 'x', `+p+`)`, c.User)
		if err == nil {
			t.Errorf("the table took the price %s", p)
		}
	}
}

func TestGetFillsTheCache(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct("https://a.example/1.png")
	for i, want := range []product.Source{product.FromDatabase, product.FromCache, product.FromCache} {
		s, err := c.Get(t.Context(), product.Everything(), w.ID)
		if err != nil || s.Source != want || s.Version != 1 || testenv.Decode(t, s.Data).ID != w.ID {
			t.Errorf("read %d: %+v, %v", i, s, err)
		}
	}
	_, err := c.Get(t.Context(), product.Everything(), testenv.UnknownID)
	testenv.WantErr(t, err, product.ErrNotFound)
}

func TestGetRefusesForeignValues(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w, other := c.NewProduct(), c.NewProduct()
	for _, value := range []string{
		"", "x", "{}", "3 " + fmt.Sprint(w.ID) + " " + fmt.Sprint(c.User) + " 7", "2 " + fmt.Sprint(w.ID) + " " + fmt.Sprint(c.User) + " 7\n{}",
		"3 " + fmt.Sprint(other.ID) + " " + fmt.Sprint(c.User) + " 7\n{}", "3 " + fmt.Sprint(w.ID) + " nobody 7\n{}",
		"3 " + fmt.Sprint(w.ID) + " " + fmt.Sprint(c.User) + " 0\n{}", "3 " + fmt.Sprint(w.ID) + " " + fmt.Sprint(c.User) + " 7\n{",
	} {
		key := c.CacheKey(w.ID)
		token, err := c.Cache.Forbid(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Cache.Replace(t.Context(), key, token, []byte(value)); err != nil {
			t.Fatal(err)
		}
		// The first reader removes it, the second one fills the cache.
		for i, want := range []product.Source{product.FromDatabase, product.FromDatabase, product.FromCache} {
			s, err := c.Get(t.Context(), product.Everything(), w.ID)
			if err != nil || s.Source != want || testenv.Decode(t, s.Data).Name != "Lamp" {
				t.Errorf("%q: read %d: version %d from %v, %v", value, i, s.Version, s.Source, err)
			}
		}
	}
}

func TestWritesShowAtOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct("https://a.example/1.png")
	c.Product(w.ID) // the cache has it now
	name := "Torch"
	s, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
	if err != nil || s.Version != 2 {
		t.Fatal(s, err)
	}
	testenv.Eventually(t, "the new value comes from the cache", func() bool { // a busy machine may lose trust in Redis for a while
		s, err = c.Get(t.Context(), product.Everything(), w.ID)
		if err != nil || s.Version != 2 || testenv.Decode(t, s.Data).Name != "Torch" {
			t.Fatalf("version %d, %s, %v", s.Version, s.Data, err)
		}
		return s.Source == product.FromCache
	})
	claim := c.Claim(w.Images[0], "w")
	if got := c.Product(w.ID); got.Images[0].Status != "processing" || got.Images[0].Attempts != 1 || got.Version != 3 {
		t.Errorf("after the claim: %+v", got)
	}
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	got := c.Product(w.ID)
	if got.ImageStatus != "ready" || got.Version != 4 {
		t.Errorf("after the end: %+v", got)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), product.Everything(), w.ID)
	testenv.WantErr(t, err, product.ErrNotFound)
}

func TestPatchEachFieldAlone(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	name, description, amount := "Torch", "dim", testenv.Price(t, "3")
	for field, p := range map[string]product.Patch{
		"product_name": {Name: &name}, "product_description": {Description: &description}, "product_price": {Price: &amount},
		"product_images": {Images: &[]string{}},
	} {
		w := c.NewProduct("https://a.example/1.png")
		before, err := c.Get(t.Context(), product.Everything(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		after, err := c.Patch(t.Context(), product.Everything(), w.ID, p, product.Precondition{})
		if err != nil {
			t.Fatal(err)
		}
		var old, now map[string]any
		_, _ = json.Unmarshal(before.Data, &old), json.Unmarshal(after.Data, &now)
		for key, value := range now {
			expected := key == field || key == "version" || key == "updated_at" ||
				field == "product_images" && (key == "images" || key == "image_status")
			if changed := !cmp.Equal(value, old[key]); changed != expected {
				t.Errorf("%s alone: %s changed: %t", field, key, changed)
			}
		}
	}
}

func TestPatchWithoutEffectKeepsVersion(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct("https://a.example/1.png")
	c.Product(w.ID)
	name, description, amount, images := "Lamp", "bright", testenv.Price(t, "12.50"), []string{"https://a.example/1.png"}
	for _, p := range []product.Patch{{}, {Name: &name, Description: &description, Price: &amount, Images: &images}} {
		s, err := c.Patch(t.Context(), product.Everything(), w.ID, p, product.Precondition{})
		if err != nil || s.Version != 1 {
			t.Fatal(s.Version, err)
		}
		if s, err := c.Get(t.Context(), product.Everything(), w.ID); err != nil || s.Source != product.FromCache {
			t.Errorf("the cache lost it: %v, %v", s.Source, err)
		}
	}
	if n := c.Count("outbox"); n != 1 {
		t.Errorf("%d outbox rows", n)
	}
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	c.Product(w.ID)
	name := "Torch"
	_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{Version: 7})
	testenv.WantErr(t, err, product.ErrPrecondition)
	testenv.WantErr(t, c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{Version: 7}), product.ErrPrecondition)
	if s, err := c.Get(t.Context(), product.Everything(), w.ID); err != nil || s.Source != product.FromCache || s.Version != 1 {
		t.Errorf("after refusals: %+v, %v", s, err)
	}
	if _, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{Version: 1}); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{Version: 2}); err != nil {
		t.Error(err)
	}
	_, err = c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
	testenv.WantErr(t, err, product.ErrNotFound)
	testenv.WantErr(t, c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}), product.ErrNotFound)
}

func TestPatchValidates(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w, bad := c.NewProduct(), ""
	_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &bad}, product.Precondition{})
	testenv.WantFields(t, err, "product_name")
}

func TestConcurrentPatchesLoseNothing(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	const n = 20
	errs := make(chan error, n)
	for i := range n {
		go func() {
			name := fmt.Sprintf("Lamp %d", i)
			_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
			errs <- err
		}()
	}
	for range n {
		if err := testenv.Receive(t, "a value", errs); err != nil {
			t.Error(err)
		}
	}
	var name string
	c.Scan(&name, `SELECT product_name FROM products`)
	if got := c.Product(w.ID); got.Version != n+1 || got.Name != name {
		t.Errorf("version %d, name %q; the table has %q", got.Version, got.Name, name)
	}
	// Of those that insist on one version, one wins.
	for range n {
		go func() {
			name := uuid.NewString()
			_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{Version: n + 1})
			errs <- err
		}()
	}
	won := 0
	for range n {
		switch err := testenv.Receive(t, "a value", errs); {
		case err == nil:
			won++
		case !errors.Is(err, product.ErrPrecondition):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	u, err := c.CreateUser(t.Context(), account.NewUser{Name: "Grace", Email: "Grace@Example.org"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Accounts.User(t.Context(), product.Everything(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, got); diff != "" || *got.Email != "Grace@Example.org" || got.CreatedAt.IsZero() {
		t.Errorf("%+v %s", got, diff)
	}
	_, err = c.CreateUser(t.Context(), account.NewUser{Name: "Other", Email: "grace@example.ORG"})
	testenv.WantErr(t, err, product.ErrConflict)
	_, err = c.CreateUser(t.Context(), account.NewUser{Name: strings.Repeat("x", 201), Email: "x"})
	testenv.WantFields(t, err, "name", "email")
	_, err = c.Accounts.User(t.Context(), product.Everything(), testenv.UnknownID)
	testenv.WantErr(t, err, product.ErrNotFound)
}

func TestCallersCancellation(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Get(ctx, product.Everything(), w.ID)
	testenv.WantErr(t, err, context.Canceled)
	_, err = c.Accounts.User(ctx, product.Everything(), c.User)
	testenv.WantErr(t, err, context.Canceled)
	name := "x"
	_, err = c.Patch(ctx, product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
	testenv.WantErr(t, err, context.Canceled)
	if errors.Is(err, product.ErrUnavailable) {
		t.Errorf("%v blames the database", err)
	}
}
