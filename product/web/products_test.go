package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product/web"
)

// newUser creates a user and returns its id.
func newUser(t *testing.T, s *server) string {
	t.Helper()
	a := s.call(t, http.MethodPost, "/users", fmt.Sprintf(`{"name":"Ada","email":"%s@example.org"}`, uuid.NewString()))
	if a.status != http.StatusCreated {
		t.Fatalf("create a user: %d %s", a.status, a.raw)
	}
	id := fmt.Sprint(a.data()["id"])
	return id
}

// newListing creates a product and returns its id.
func newListing(t *testing.T, s *server, user, name, price string) string {
	t.Helper()
	body := fmt.Sprintf(`{"user_id":%s,"product_name":%q,"product_price":%s}`, user, name, price)
	a := s.call(t, http.MethodPost, "/products", body)
	if a.status != http.StatusCreated {
		t.Fatalf("create a product: %d %s", a.status, a.raw)
	}
	id := fmt.Sprint(a.data()["id"])
	return id
}

func TestCreateAndGetProduct(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for _, prefix := range []string{"", "/api"} {
		user := newUser(t, s)
		body := `{"user_id":` + user + `,"product_name":"Lamp <b>","product_description":"warm\nlight","product_price":12.50,` +
			`"product_images":["http://img.example/1.jpg","https://img.example/2.png?x=1"]}`
		created := s.call(t, http.MethodPost, prefix+"/products", body)
		if created.status != http.StatusCreated || created.text("message") != "Product created successfully" {
			t.Fatalf("create: %d %s", created.status, created.raw)
		}
		id := fmt.Sprint(created.data()["id"])
		want := map[string]string{
			"Location": prefix + "/products/" + id, "ETag": `W/"1"`, "Product-Version": "1",
			"Content-Type": "application/json", "Cache-Control": "no-store",
		}
		for name, value := range want {
			if got := created.header.Get(name); got != value {
				t.Errorf("create: %s is %q, want %q", name, got, value)
			}
		}
		if !strings.Contains(string(created.raw), `"product_price":12.50,`) {
			t.Errorf("the price's decimals are lost: %s", created.raw)
		}
		data := created.data()
		if fmt.Sprint(data["user_id"]) != user || data["product_name"] != "Lamp <b>" || data["product_description"] != "warm\nlight" ||
			data["compressed_product_images"] != nil || data["image_status"] != "pending" || data["version"] != 1.0 {
			t.Errorf("create: %s", created.raw)
		}

		got := s.call(t, http.MethodGet, created.header.Get("Location"), "")
		if got.status != http.StatusOK || got.header.Get("ETag") != `W/"1"` || got.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("get: %d %v %s", got.status, got.header, got.raw)
		}
		if diff := cmp.Diff(data, got.data()); diff != "" {
			t.Errorf("what was created and what is read differ (-created +read):\n%s", diff)
		}
	}
}

func TestGetSaysWhereTheProductWasRead(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	id := newListing(t, s, newUser(t, s), "Lamp", "1")
	// A write leaves the product in the cache unless Redis is slow, so the test waits for each
	// state.
	messages := map[string]string{"HIT": "Product retrieved from cache", "MISS": "Product retrieved from database"}
	testenv.Eventually(t, "a hit", func() bool {
		a := s.call(t, http.MethodGet, "/products/"+id, "")
		if a.status != http.StatusOK || a.text("message") != messages[a.header.Get("X-Cache")] {
			t.Fatalf("X-Cache %q: %d %s", a.header.Get("X-Cache"), a.status, a.raw)
		}
		return a.header.Get("X-Cache") == "HIT"
	})
}

func TestGetConditional(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	path := "/products/" + newListing(t, s, newUser(t, s), "Lamp", "1")
	for header, status := range map[string]int{
		`W/"1"`: 304, `"1"`: 304, `"0", W/"1"`: 304, `*`: 304, `W/"2"`: 200, `"abc"`: 200, `1`: 200, ``: 200,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := s.call(t, method, path, "", "If-None-Match", header)
			if a.status != status || a.header.Get("ETag") != `W/"1"` || a.header.Get("Product-Version") != "1" || a.header.Get("X-Cache") == "" {
				t.Errorf("%s If-None-Match %s: got %d %v, want %d", method, header, a.status, a.header, status)
			}
			if status == 304 && (len(a.raw) > 0 || a.header.Get("Content-Type") != "") {
				t.Errorf("a 304 has a body or its type: %q %v", a.raw, a.header)
			}
		}
	}
	if a := s.call(t, http.MethodPatch, path, `{"product_name":"Lamp 2"}`); a.status != http.StatusOK {
		t.Fatalf("patch: %d %s", a.status, a.raw)
	}
	if a := s.call(t, http.MethodGet, path, "", "If-None-Match", `W/"1"`); a.status != http.StatusOK || a.data()["product_name"] != "Lamp 2" {
		t.Errorf("after a change: got %d %s", a.status, a.raw)
	}
}

func TestProductsThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for _, id := range []string{
		owner, "1000000", "0", "-1", "+1", "01", "1.0", "1e3", "9007199254740992", "9223372036854775808", anyUUID, "x", "%00", "%ff", "%2e%2e", "%2F", owner + "0", strings.Repeat("a", 8000), "'; DROP TABLE products --", "%F0%9F%92%A1",
	} {
		id = strings.ReplaceAll(id, " ", "%20")
		for _, prefix := range []string{"", "/api"} {
			wantProblem(t, s.call(t, http.MethodGet, prefix+"/products/"+id, ""), 404, "not_found")
			wantProblem(t, s.call(t, http.MethodPatch, prefix+"/products/"+id, `{"product_name":"a"}`), 404, "not_found")
			wantProblem(t, s.call(t, http.MethodDelete, prefix+"/products/"+id, ""), 404, "not_found")
			wantProblem(t, s.call(t, http.MethodGet, prefix+"/users/"+id, ""), 404, "not_found")
		}
	}
	// A condition does not change the response for a missing product.
	for _, tag := range []string{`*`, `"1"`, `"1", "2"`, `"abc"`} {
		wantProblem(t, s.call(t, http.MethodDelete, "/products/"+owner, "", "If-Match", tag), 404, "not_found")
	}
}

func TestProductIDsMayBeEscaped(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	id := newListing(t, s, newUser(t, s), "Lamp", "1")
	for _, same := range []string{"%3" + id[:1] + id[1:]} {
		if a := s.call(t, http.MethodGet, "/products/"+same, ""); a.status != http.StatusOK || fmt.Sprint(a.data()["id"]) != id {
			t.Errorf("%s: got %d %s", same, a.status, a.raw)
		}
	}
}

func TestCreateProductRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	a := s.call(t, http.MethodPost, "/products", `{"product_name":"`+strings.Repeat("x", 201)+`","product_price":"1","product_images":["ftp://a/b",3],"x":1}`)
	wantProblem(t, a, http.StatusUnprocessableEntity, "validation_failed")
	want := map[string]string{
		"/user_id": "required", "/product_name": "too_long", "/product_price": "wrong_type",
		"/product_images/0": "invalid_url", "/product_images/1": "wrong_type", "/x": "unknown_field",
	}
	if diff := cmp.Diff(want, a.faults()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	// The domain rejects these.
	a = s.call(t, http.MethodPost, "/products", `{"user_id":`+owner+`,"product_name":"","product_price":12.50}`)
	wantProblem(t, a, http.StatusUnprocessableEntity, "validation_failed")
	if diff := cmp.Diff(map[string]string{"/product_name": "required"}, a.faults()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	// The database rejects this.
	a = s.call(t, http.MethodPost, "/products", `{"user_id":`+owner+`,"product_name":"Lamp","product_price":12.50}`)
	wantProblem(t, a, http.StatusUnprocessableEntity, "validation_failed")
	if faults := a.faults(); len(faults) != 1 || faults["/user_id"] == "" {
		t.Errorf("an unknown user: %s", a.raw)
	}
	wantProblem(t, s.call(t, http.MethodPost, "/products", `{"product_name":`), http.StatusBadRequest, "malformed_json")
}

func TestPatchProduct(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	created := s.call(t, http.MethodPost, "/products", `{"user_id":`+user+`,"product_name":"Lamp","product_description":"d",`+
		`"product_price":1.5,"product_images":["http://img.example/1.jpg"]}`)
	id := fmt.Sprint(created.data()["id"])
	path := "/products/" + id
	for i, c := range []struct {
		body, field string
		want        any
	}{
		{`{"product_name":"Torch"}`, "product_name", "Torch"},
		{`{"product_price":2.25}`, "product_price", 2.25},
		{`{"product_description":"e"}`, "product_description", "e"},
		{`{"product_description":null}`, "product_description", ""},
		{`{"product_images":["http://img.example/2.jpg"]}`, "product_images", []any{"http://img.example/2.jpg"}},
		{`{"product_images":null}`, "product_images", []any{}},
	} {
		before := s.call(t, http.MethodGet, path, "").data()
		a := s.call(t, http.MethodPatch, []string{"", "/api"}[i%2]+path, c.body, "Content-Type", "application/merge-patch+json")
		version := fmt.Sprint(i + 2)
		if a.status != http.StatusOK || a.text("message") != "Product updated successfully" ||
			a.header.Get("ETag") != `W/"`+version+`"` || a.header.Get("Product-Version") != version {
			t.Fatalf("%s: %d %v %s", c.body, a.status, a.header, a.raw)
		}
		after := s.call(t, http.MethodGet, path, "").data()
		if diff := cmp.Diff(a.data(), after); diff != "" {
			t.Errorf("%s: the next read differs from the answer (-answer +read):\n%s", c.body, diff)
		}
		if diff := cmp.Diff(c.want, after[c.field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, diff)
		}
		for _, field := range []string{"product_name", "product_price", "product_description", "product_images"} {
			if field != c.field && !cmp.Equal(before[field], after[field]) {
				t.Errorf("%s also changed %s from %v to %v", c.body, field, before[field], after[field])
			}
		}
	}
	wantProblem(t, s.call(t, http.MethodPatch, path, `{"product_name":null,"product_price":-1,"id":1}`), 422, "validation_failed")
	wantProblem(t, s.call(t, http.MethodPatch, path, `[]`), 422, "validation_failed")
	wantProblem(t, s.call(t, http.MethodPatch, path, `{`), 400, "malformed_json")
}

func TestWritesWithIfMatch(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	for header, want := range map[string]int{
		`W/"2"`: 200, `"2"`: 200, `*`: 200, `"1", W/"2"`: 200, `"1"`: 412, `W/"3"`: 412, `"1", "3"`: 412, `"abc"`: 412, `"-1"`: 412, `""`: 412, `2`: 400, `"2`: 400,
	} {
		id := newListing(t, s, user, "Lamp", "1")
		if a := s.call(t, http.MethodPatch, "/products/"+id, `{"product_name":"Torch"}`); a.status != http.StatusOK {
			t.Fatalf("patch: %d %s", a.status, a.raw)
		}
		code := map[int]string{412: "precondition_failed", 400: "invalid_entity_tag"}[want]
		patched := s.call(t, http.MethodPatch, "/products/"+id, `{}`, "If-Match", header) // changes nothing
		deleted := s.call(t, http.MethodDelete, "/products/"+id, "", "If-Match", header)
		if want == http.StatusOK {
			if patched.status != want || deleted.status != want {
				t.Errorf("%s: got %d and %d: %s %s", header, patched.status, deleted.status, patched.raw, deleted.raw)
			}
			continue
		}
		wantProblem(t, patched, want, code)
		wantProblem(t, deleted, want, code)
		if a := s.call(t, http.MethodGet, "/products/"+id, ""); a.status != http.StatusOK || a.data()["version"] != 2.0 {
			t.Errorf("%s: a refused write changed the product: %d %s", header, a.status, a.raw)
		}
	}
}

func TestDeleteProduct(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	for _, prefix := range []string{"", "/api"} {
		path := prefix + "/products/" + newListing(t, s, user, "Lamp", "1")
		s.call(t, http.MethodGet, path, "")
		a := s.call(t, http.MethodDelete, path, "")
		if a.status != http.StatusOK || string(a.raw) != `{"data":null,"message":"Product deleted successfully"}`+"\n" {
			t.Errorf("delete: %d %s", a.status, a.raw)
		}
		wantProblem(t, s.call(t, http.MethodGet, path, ""), 404, "not_found")
		wantProblem(t, s.call(t, http.MethodDelete, path, ""), 404, "not_found")
		wantProblem(t, s.call(t, http.MethodPatch, path, `{}`), 404, "not_found")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for i, prefix := range []string{"", "/api"} {
		email := fmt.Sprintf("ada%d@example.org", i)
		created := s.call(t, http.MethodPost, prefix+"/users", `{"name":"Ada Lovelace","email":"`+email+`"}`)
		id := fmt.Sprint(created.data()["id"])
		if created.status != 201 || created.text("message") != "User created successfully" || created.header.Get("Location") != prefix+"/users/"+id {
			t.Fatalf("create: %d %v %s", created.status, created.header, created.raw)
		}
		got := s.call(t, http.MethodGet, created.header.Get("Location"), "")
		if got.status != 200 || got.text("message") != "User retrieved successfully" || got.data()["name"] != "Ada Lovelace" || got.data()["email"] != email {
			t.Errorf("get: %d %s", got.status, got.raw)
		}
		if diff := cmp.Diff(created.data(), got.data()); diff != "" {
			t.Errorf("what was created and what is read differ (-created +read):\n%s", diff)
		}
		again := s.call(t, http.MethodPost, prefix+"/users", `{"name":"Eve","email":"`+strings.ToUpper(email)+`"}`)
		wantProblem(t, again, 409, "conflict")
		if diff := cmp.Diff(map[string]string{"/email": "taken"}, again.faults()); diff != "" {
			t.Errorf("faults (-want +got):\n%s", diff)
		}
	}
	a := s.call(t, http.MethodPost, "/users", `{"name":"","email":"nobody"}`)
	wantProblem(t, a, 422, "validation_failed")
	if diff := cmp.Diff(map[string]string{"/name": "required", "/email": "invalid_email"}, a.faults()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
