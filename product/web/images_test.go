package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/product/web"
)

// newPictured creates a product with images and returns the paths of the product and the images.
func newPictured(t *testing.T, s *server, sources ...string) (path string, images []string) {
	t.Helper()
	body := `{"user_id":` + newUser(t, s) + `,"product_name":"Lamp","product_price":1,"product_images":["` + strings.Join(sources, `","`) + `"]}`
	if len(sources) == 0 {
		body = strings.Replace(body, `""`, "", 1)
	}
	a := s.call(t, http.MethodPost, "/products", body)
	if a.status != http.StatusCreated {
		t.Fatalf("create a product: %d %s", a.status, a.raw)
	}
	path = fmt.Sprint("/products/", a.data()["id"])
	for _, entry := range a.data()["images"].([]any) {
		images = append(images, path+"/images/"+entry.(map[string]any)["id"].(string))
	}
	return path, images
}

func TestImagesOneByOne(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	path, images := newPictured(t, s, "https://img.example/1", "https://img.example/2")
	added := s.call(t, http.MethodPost, "/api"+path+"/images", `{"source":"https://img.example/3","alt":"A <lamp>","position":1}`, "If-Match", `"1"`)
	id, _ := added.data()["id"].(string)
	if added.status != http.StatusCreated || added.text("message") != "Image added successfully" ||
		added.header.Get("Location") != "/api"+path+"/images/"+id || added.header.Get("ETag") != `W/"2"` || added.header.Get("Product-Version") != "2" {
		t.Fatalf("%d %v %s", added.status, added.header, added.raw)
	}
	at := path + "/images/" + id
	read := s.call(t, http.MethodGet, at, "", "Min-Version", "2")
	if diff := cmp.Diff(added.data(), read.data()); diff != "" || read.status != http.StatusOK || !strings.HasPrefix(read.text("message"), "Image retrieved from ") ||
		read.header.Get("ETag") != `W/"2"` || read.header.Get("X-Cache") == "" || read.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%d %v (-added +read):\n%s", read.status, read.header, diff)
	}
	if a := s.call(t, http.MethodGet, at, "", "If-None-Match", `W/"2"`); a.status != http.StatusNotModified || len(a.raw) > 0 {
		t.Errorf("%d %s", a.status, a.raw)
	}
	wantProblem(t, s.call(t, http.MethodGet, at, "", "Min-Version", "3"), http.StatusPreconditionFailed, "version_not_reached")

	for i, c := range []struct {
		body     string
		alt      any
		position float64
	}{{`{"alt":null}`, nil, 1}, {`{"alt":""}`, "", 1}, {`{"position":2}`, "", 2}, {`{"alt":"back","position":0}`, "back", 0}} {
		a := s.call(t, http.MethodPatch, []string{"", "/api"}[i%2]+at, c.body, "Content-Type", "application/merge-patch+json")
		if a.status != http.StatusOK || a.text("message") != "Image updated successfully" || a.data()["alt"] != c.alt || a.data()["position"] != c.position {
			t.Errorf("%s: %d %s", c.body, a.status, a.raw)
		}
		if diff := cmp.Diff(a.data(), s.call(t, http.MethodGet, at, "").data()); diff != "" {
			t.Errorf("%s (-answer +read):\n%s", c.body, diff)
		}
	}
	wantFocal(t, s, at)
	wantProblem(t, s.call(t, http.MethodPatch, at, `{"alt":"x"}`, "If-Match", `"1"`), 412, "precondition_failed")
	wantProblem(t, s.call(t, http.MethodDelete, at, "", "If-Match", `"1"`), 412, "precondition_failed")
	wantProblem(t, s.call(t, http.MethodPost, path+"/images", `{"source":"https://img.example/4"}`, "If-Match", `"1"`), 412, "precondition_failed")

	deleted := s.call(t, http.MethodDelete, images[0], "", "If-Match", `"9"`)
	if deleted.status != http.StatusOK || string(deleted.raw) != `{"data":null,"message":"Image deleted successfully"}`+"\n" || deleted.header.Get("ETag") != `W/"10"` {
		t.Errorf("%d %v %s", deleted.status, deleted.header, deleted.raw)
	}
	wantProblem(t, s.call(t, http.MethodGet, images[0], ""), 404, "not_found")
	want := []any{"https://img.example/3", "https://img.example/2"}
	if diff := cmp.Diff(want, s.call(t, http.MethodGet, path, "").data()["product_images"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// wantFocal sets the focal point of an image, sets it again, and removes it.
func wantFocal(t *testing.T, s *server, at string) {
	t.Helper()
	for i, c := range []struct {
		body string
		want any
	}{
		{`{"focal":{"x":0.3,"y":0.12345}}`, map[string]any{"x": 0.3, "y": 0.123}}, {`{"focal":{"x":0.3,"y":0.123}}`, map[string]any{"x": 0.3, "y": 0.123}},
		{`{"alt":"back"}`, map[string]any{"x": 0.3, "y": 0.123}}, {`{"focal":{"x":0,"y":1}}`, map[string]any{"x": 0.0, "y": 1.0}}, {`{"focal":null}`, nil},
	} {
		a := s.call(t, http.MethodPatch, at, c.body)
		if diff := cmp.Diff(c.want, a.data()["focal"]); diff != "" || a.status != http.StatusOK {
			t.Errorf("%d. %s: %d (-want +got):\n%s", i, c.body, a.status, diff)
		}
	}
}

func TestImagesRefuse(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	path, images := newPictured(t, s, "https://img.example/1")
	const long = "https://img.example/1"
	for body, want := range map[string]map[string]string{
		`{}`:                                     {"/source": "required"},
		`{"source":null,"alt":1,"position":"1"}`: {"/source": "required", "/alt": "wrong_type", "/position": "wrong_type"},
		`{"source":"ftp://x","position":1.5,"x":1}`:                    {"/source": "invalid_url", "/position": "invalid", "/x": "unknown_field"},
		`{"source":"upload:uploads/a/b"}`:                              {"/source": "unknown_upload"},
		`{"source":"` + long + `","position":2}`:                       {"/position": "out_of_range"},
		`{"source":"` + long + `","position":-1}`:                      {"/position": "out_of_range"},
		`{"source":"` + long + `","position":1e99}`:                    {"/position": "invalid"},
		`{"source":"` + long + `","alt":"a\u0007"}`:                    {"/alt": "invalid_characters"},
		`{"source":"` + long + `","alt":null,"alt":"again"}`:           {"/alt": "duplicate_field"},
		`{"source":"` + long + `","focal":[0.5,0.5]}`:                  {"/focal": "wrong_type"},
		`{"source":"` + long + `","focal":{"x":0.5}}`:                  {"/focal/y": "required"},
		`{"source":"` + long + `","focal":{"x":"0.5","y":null,"z":1}}`: {"/focal/x": "wrong_type", "/focal/y": "required", "/focal/z": "unknown_field"},
		`{"source":"` + long + `","focal":{"x":-0.01,"y":1e999}}`:      {"/focal/y": "out_of_range"},
		`{"source":"` + long + `","focal":{"x":-0.01,"y":1.01}}`:       {"/focal/x": "out_of_range", "/focal/y": "out_of_range"},
		`{"source":"` + long + `","focal":{"x":0,"x":1,"y":0}}`:        {"/focal/x": "duplicate_field"},
	} {
		a := s.call(t, http.MethodPost, path+"/images", body)
		wantProblem(t, a, 422, "validation_failed")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("POST %s (-want +got):\n%s", body, diff)
		}
	}
	for body, want := range map[string]map[string]string{
		`{"source":"https://x/y"}`: {"/source": "unknown_field"},
		`{"position":null}`:        {"/position": "required"},
		`{"position":1}`:           {"/position": "out_of_range"},
		`{"focal":{"x":2,"y":0}}`:  {"/focal/x": "out_of_range"},
		`{"alt":"` + strings.Repeat("a", 501) + `","position":20}`: {"/alt": "too_long", "/position": "out_of_range"},
	} {
		a := s.call(t, http.MethodPatch, images[0], body)
		wantProblem(t, a, 422, "validation_failed")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("PATCH %s (-want +got):\n%s", body, diff)
		}
	}
	patch := s.call(t, http.MethodPatch, images[0], `[]`, "Content-Type", "application/json-patch+json")
	wantProblem(t, patch, http.StatusUnsupportedMediaType, "unsupported_media_type")
	if patch.header.Get("Accept-Patch") == "" {
		t.Errorf("%v", patch.header)
	}
	form := s.call(t, http.MethodPost, path+"/images", `x`, "Content-Type", "multipart/form-data; boundary=x")
	wantProblem(t, form, http.StatusUnsupportedMediaType, "unsupported_media_type") // the store for files is not configured
	if form.header.Get("Accept") != "application/json" {
		t.Errorf("%v", form.header)
	}
	for _, at := range []string{path + "/images/" + uuid.NewString(), path + "/images/x", "/products/x/images/" + uuid.NewString(), strings.Replace(images[0], path, "/products/"+uuid.NewString(), 1)} {
		wantProblem(t, s.call(t, http.MethodGet, at, ""), 404, "not_found")
		wantProblem(t, s.call(t, http.MethodPatch, at, `{"alt":"x"}`), 404, "not_found")
		wantProblem(t, s.call(t, http.MethodDelete, at, ""), 404, "not_found")
	}
	wantProblem(t, s.call(t, http.MethodPost, "/products/"+uuid.NewString()+"/images", `{"source":"https://x.example/y"}`), 404, "not_found")
	if a := s.call(t, http.MethodGet, path, ""); a.data()["version"] != 1.0 {
		t.Errorf("a refused write changed the product: %s", a.raw)
	}
	for range 19 {
		s.call(t, http.MethodPost, path+"/images", `{"source":"https://x.example/y"}`)
	}
	wantProblem(t, s.call(t, http.MethodPost, path+"/images", `{"source":"https://x.example/y"}`), http.StatusConflict, "too_many_images")
}

// An added image is replayed. The idempotency key belongs to the route of one product.
func TestAddedImageIsReplayed(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	path, _ := newPictured(t, s)
	other, _ := newPictured(t, s)
	const body = `{"source":"https://img.example/<1>"}`
	first := s.call(t, http.MethodPost, path+"/images", body, "Idempotency-Key", "k")
	s.call(t, http.MethodPatch, path, `{"product_name":"Torch"}`)
	again := s.call(t, http.MethodPost, "/api"+path+"/images", body, "Idempotency-Key", "k")
	if again.status != http.StatusCreated || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("ETag") != `W/"2"` ||
		again.header.Get("Location") != "/api"+first.header.Get("Location") || string(again.raw) != string(first.raw) {
		t.Errorf("%d %v %s, first %v %s", again.status, again.header, again.raw, first.header, first.raw)
	}
	wantProblem(t, s.call(t, http.MethodPost, other+"/images", body, "Idempotency-Key", "k"), 422, "idempotency_key_reused")
	if images := s.call(t, http.MethodGet, path, "").data()["images"].([]any); len(images) != 1 {
		t.Errorf("%d images", len(images))
	}
}
