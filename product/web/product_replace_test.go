package web_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/product/web"
)

func TestReplaceProduct(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	created := s.call(t, http.MethodPost, "/products", `{"user_id":`+user+`,"product_name":"Lamp","product_description":"d","product_price":1.5,`+
		`"product_images":["http://img.example/1.jpg","http://img.example/2.jpg"],"metadata":{"a":"1"},"external_id":"L-1"}`)
	path := fmt.Sprint("/products/", created.data()["id"])
	kept := created.data()["images"].([]any)[1].(map[string]any)["id"]

	a := s.call(t, http.MethodPut, "/api"+path, `{"user_id":`+user+`,"product_name":"Torch","product_price":2,"product_images":["http://img.example/2.jpg"]}`)
	if a.status != http.StatusOK || a.text("message") != "Product replaced successfully" || a.header.Get("ETag") != `W/"2"` || a.header.Get("Product-Version") != "2" {
		t.Fatalf("%d %v %s", a.status, a.header, a.raw)
	}
	if diff := cmp.Diff(a.data(), s.call(t, http.MethodGet, path, "").data()); diff != "" {
		t.Errorf("the next read (-answer +read):\n%s", diff)
	}
	want := map[string]any{
		"product_name": "Torch", "product_description": "", "product_price": 2.0, "product_images": []any{"http://img.example/2.jpg"},
		"metadata": map[string]any{}, "external_id": nil, "user_id": created.data()["user_id"], "created_at": created.data()["created_at"],
	}
	for field, value := range want {
		if diff := cmp.Diff(value, a.data()[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	if id := a.data()["images"].([]any)[0].(map[string]any)["id"]; id != kept {
		t.Errorf("the image whose URL stayed is %v, was %v", id, kept)
	}
	same := s.call(t, http.MethodPut, path, `{"product_name":"Torch","product_price":2,"product_images":["http://img.example/2.jpg"]}`, "If-Match", `"2"`)
	if same.status != http.StatusOK || same.header.Get("ETag") != `W/"2"` {
		t.Errorf("the same again: %d %v", same.status, same.header)
	}

	wantProblem(t, s.call(t, http.MethodPut, path, `{"product_name":"a","product_price":1}`, "If-Match", `"1"`), 412, "precondition_failed")
	wantProblem(t, s.call(t, http.MethodPut, "/products/"+uuid.NewString(), `{"product_name":"a","product_price":1}`), 404, "not_found")
	merge := s.call(t, http.MethodPut, path, `{}`, "Content-Type", "application/merge-patch+json")
	wantProblem(t, merge, http.StatusUnsupportedMediaType, "unsupported_media_type")
	if merge.header.Get("Accept") != "application/json" || merge.header.Get("Accept-Patch") != "" {
		t.Errorf("headers %v", merge.header)
	}
	for body, faults := range map[string]map[string]string{
		`{}`: {"/product_name": "required", "/product_price": "required"},
		`{"product_name":null,"product_price":1,"id":"x"}`:                                    {"/product_name": "required", "/id": "unknown_field"},
		`{"product_name":"a","product_price":1,"user_id":` + owner + `}`:                      {"/user_id": "immutable"},
		`{"product_name":"a","product_price":1,"user_id":"7"}`:                                {"/user_id": "wrong_type"},
		`{"product_name":"a","product_price":1,"user_id":0}`:                                  {"/user_id": "invalid_id"},
		`{"product_name":"a","product_price":1,"product_images":["ftp://x"],"metadata":null}`: {"/product_images/0": "invalid_url"},
	} {
		a := s.call(t, http.MethodPut, path, body)
		wantProblem(t, a, 422, "validation_failed")
		if diff := cmp.Diff(faults, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

// Of two concurrent writes with the same condition, exactly one succeeds.
func TestOneOfTwoPatchesWins(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	path := "/products/" + newListing(t, s, newUser(t, s), "Lamp", "1")
	tag := `W/"1"`
	for round := range 60 {
		var answers [2]answer
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() {
				answers[i] = s.call(t, http.MethodPatch, path, fmt.Sprintf(`{"product_name":"%d of %d"}`, i, round), "If-Match", tag)
			})
		}
		both.Wait()
		won, lost := answers[0], answers[1]
		if won.status != http.StatusOK {
			won, lost = lost, won
		}
		if won.status != http.StatusOK {
			t.Fatalf("nobody won: %s %s", won.raw, lost.raw)
		}
		wantProblem(t, lost, http.StatusPreconditionFailed, "precondition_failed")
		read := s.call(t, http.MethodGet, path, "")
		if read.data()["product_name"] != won.data()["product_name"] || read.data()["version"] != float64(round+2) {
			t.Fatalf("read %s after %s", read.raw, won.raw)
		}
		tag = won.header.Get("ETag")
	}
}

func TestMetadataAndExternalID(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	created := s.call(t, http.MethodPost, "/products", `{"user_id":`+user+`,"product_name":"Lamp","product_price":1,`+
		`"metadata":{"b":"<2>\n","a":"","c/d":"3"},"external_id":"L 1/ä"}`)
	if created.status != http.StatusCreated {
		t.Fatalf("%d %s", created.status, created.raw)
	}
	path := fmt.Sprint("/products/", created.data()["id"])
	metadata := map[string]any{"a": "", "b": "<2>\n", "c/d": "3"}
	id := any("L 1/ä")
	version := 1.0
	check := func(a answer) {
		t.Helper()
		read := s.call(t, http.MethodGet, path, "")
		if diff := cmp.Diff(a.data(), read.data()); diff != "" {
			t.Errorf("answer and read (-answer +read):\n%s", diff)
		}
		got := map[string]any{"metadata": a.data()["metadata"], "external_id": a.data()["external_id"], "version": a.data()["version"]}
		if diff := cmp.Diff(map[string]any{"metadata": metadata, "external_id": id, "version": version}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	check(created)
	patch := func(body string) answer { return s.call(t, http.MethodPatch, path, body) }
	check(patch(`{"metadata":{}}`))
	check(patch(`{"metadata":{"a":"","x":null},"external_id":"L 1/ä"}`))
	version, metadata = 2, map[string]any{"b": "new", "c/d": "3", "e": "5"}
	check(patch(`{"metadata":{"a":null,"b":"new","e":"5"}}`))
	version, id = 3, nil
	check(patch(`{"external_id":null}`))
	version, metadata, id = 4, map[string]any{}, "L2"
	check(patch(`{"metadata":null,"external_id":"L2"}`))

	t.Run("an external id is its user's alone", func(t *testing.T) {
		body := func(user string) string {
			return `{"user_id":` + user + `,"product_name":"Lamp","product_price":1,"external_id":"L2"}`
		}
		if a := s.call(t, http.MethodPost, "/products", body(newUser(t, s))); a.status != http.StatusCreated {
			t.Errorf("of another user: %d %s", a.status, a.raw)
		}
		other := s.call(t, http.MethodPost, "/products", `{"user_id":`+user+`,"product_name":"Lamp","product_price":1}`)
		at := fmt.Sprint("/products/", other.data()["id"])
		for _, a := range []answer{
			s.call(t, http.MethodPost, "/products", body(user)), s.call(t, http.MethodPatch, at, `{"external_id":"L2"}`),
			s.call(t, http.MethodPut, at, body(user)),
		} {
			wantProblem(t, a, http.StatusConflict, "conflict")
			if diff := cmp.Diff(map[string]string{"/external_id": "taken"}, a.faults()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		if a := s.call(t, http.MethodGet, at, ""); a.data()["version"] != 1.0 {
			t.Errorf("a refused write changed the product: %s", a.raw)
		}
		s.call(t, http.MethodDelete, path, "")
		if a := s.call(t, http.MethodPatch, at, `{"external_id":"L2"}`); a.status != http.StatusOK {
			t.Errorf("after its product is gone: %d %s", a.status, a.raw)
		}
	})
}

func TestMinVersion(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	path := "/products/" + newListing(t, s, newUser(t, s), "Lamp", "1")
	s.call(t, http.MethodPatch, path, `{"product_name":"Torch"}`)
	for header, want := range map[string]int{"1": 200, "2": 200, "3": 412, "9223372036854775807": 412, "0": 400, "-1": 400, "": 400, "02": 400, `"2"`: 400, "2.0": 400, "9223372036854775808": 400} {
		a := s.call(t, http.MethodGet, path, "", "Min-Version", header)
		code := map[int]string{412: "version_not_reached", 400: "invalid_version"}[want]
		if want == http.StatusOK {
			if a.status != want || a.header.Get("Product-Version") != "2" {
				t.Errorf("%q: %d %s", header, a.status, a.raw)
			}
			continue
		}
		wantProblem(t, a, want, code)
		if diff := cmp.Diff(map[string]string{"Min-Version": code}, a.faults()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", header, diff)
		}
	}
	wantProblem(t, s.call(t, http.MethodGet, "/products/"+uuid.NewString(), "", "Min-Version", "1"), 404, "not_found")
}
