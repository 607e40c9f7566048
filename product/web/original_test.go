package web_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product/web"
)

// original is the request of clients of the original system.
const original = `{
	"user_id": 23,
	"product_name": "Sample Product",
	"product_description": "This is a sample product description.",
	"product_images": ["http://img.example/image1.jpg", "http://img.example/image2.jpg"],
	"product_price": 99.99
}`

// An open API accepts the original system's request, and creates its user with the product.
func TestOriginalRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	created := s.call(t, http.MethodPost, "/products", original)
	id, isNumber := created.data()["id"].(float64)
	if created.status != http.StatusCreated || !isNumber || created.data()["user_id"] != 23.0 ||
		created.header.Get("Location") != fmt.Sprintf("/products/%.0f", id) {
		t.Fatalf("%d %v %s", created.status, created.header, created.raw)
	}
	read := s.call(t, http.MethodGet, created.header.Get("Location"), "")
	if diff := cmp.Diff(created.data(), read.data()); diff != "" || read.status != http.StatusOK {
		t.Errorf("%d (-created +read):\n%s", read.status, diff)
	}
	user := s.call(t, http.MethodGet, "/users/23", "").data()
	if user["id"] != 23.0 || user["name"] != nil || user["email"] != nil {
		t.Errorf("%v", user)
	}
	again := s.call(t, http.MethodPost, "/products", original)
	if second, _ := again.data()["id"].(float64); again.status != http.StatusCreated || second <= id {
		t.Errorf("%d %s", again.status, again.raw)
	}
	beyond := s.call(t, http.MethodPost, "/products", `{"user_id":2147483648,"product_name":"Lamp","product_price":1}`)
	if wantProblem(t, beyond, 422, "validation_failed"); beyond.faults()["/user_id"] != "unknown" {
		t.Errorf("%v", beyond.faults())
	}
	// Only creating a product creates an unknown user.
	upload := s.call(t, http.MethodPost, "/uploads", `{"user_id":24}`)
	if upload.status != http.StatusUnprocessableEntity && upload.status != http.StatusNotFound {
		t.Errorf("%d %s", upload.status, upload.raw)
	}
}

func TestAdministratorNamesKnownUsersOnly(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	got := a.as(adminToken, http.MethodPost, "/products", original)
	if wantProblem(t, got, 422, "validation_failed"); got.faults()["/user_id"] != "unknown" {
		t.Errorf("%v", got.faults())
	}
	wantProblem(t, a.as(adminToken, http.MethodGet, "/users/23", ""), 404, "not_found")
}

func TestUserWithoutNameAndAddress(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	s.call(t, http.MethodPost, "/products", `{"user_id":1,"product_name":"Lamp","product_price":1}`)
	for _, body := range []string{`{}`, `{"name":null,"email":null}`} { // the sequence skips user 1
		a := s.call(t, http.MethodPost, "/users", body)
		if a.status != http.StatusCreated || a.data()["name"] != nil || a.data()["email"] != nil || a.data()["id"] == 1.0 {
			t.Errorf("%s: %d %s", body, a.status, a.raw)
		}
	}
}
