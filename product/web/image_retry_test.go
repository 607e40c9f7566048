package web_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/product/web"
)

func TestRetryImage(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	id, images := s.failed("https://a.example/1", "https://b.example/1")
	before := s.call(t, http.MethodGet, "/products/"+id, "")
	path := "/products/" + id + "/images/" + images[0] + "/retry"
	wantProblem(t, s.call(t, http.MethodPost, path, "", "If-Match", `W/"1"`), http.StatusPreconditionFailed, "precondition_failed")

	a := s.call(t, http.MethodPost, "/api"+path, "", "If-Match", before.header.Get("ETag"))
	if a.status != http.StatusAccepted || a.text("message") != "Image will be processed again" ||
		a.header.Get("Location") != "/api/products/"+id || a.data()["image_status"] != "pending" {
		t.Fatalf("%d %v %s", a.status, a.header, a.raw)
	}
	after := s.call(t, http.MethodGet, "/products/"+id, "")
	if diff := cmp.Diff(a.data(), after.data()); diff != "" {
		t.Errorf("read after the retry (-answered +read):\n%s", diff)
	}
	if tag := a.header.Get("ETag"); tag == before.header.Get("ETag") || tag != after.header.Get("ETag") {
		t.Errorf("ETag %s, before %s, after %s", tag, before.header.Get("ETag"), after.header.Get("ETag"))
	}

	wantProblem(t, s.call(t, http.MethodPost, path, ""), http.StatusConflict, "image_not_failed")
	other, _ := s.failed("https://c.example/1")
	for _, path := range []string{
		"/products/" + other + "/images/" + images[1] + "/retry", "/products/" + id + "/images/" + uuid.NewString() + "/retry",
		"/products/" + id + "/images/x/retry", "/products/x/images/" + images[1] + "/retry",
		"/products/" + uuid.NewString() + "/images/" + images[1] + "/retry",
	} {
		wantProblem(t, s.call(t, http.MethodPost, path, ""), http.StatusNotFound, "not_found")
	}
}

func TestListAttempts(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	id, images := s.failed("https://a.example/1")
	s.call(t, http.MethodPost, "/products/"+id+"/images/"+images[0]+"/retry", "")
	s.fail(images[0], 2)
	for _, prefix := range []string{"", "/api"} {
		a := s.call(t, http.MethodGet, prefix+"/products/"+id+"/images/"+images[0]+"/attempts", "")
		if a.status != http.StatusOK || a.text("message") != "Attempts retrieved successfully" || len(a.list()) != 2 {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		for i, attempt := range a.list() {
			if started, _ := attempt["started_at"].(string); started == "" {
				t.Errorf("%v", attempt)
			}
			delete(attempt, "started_at")
			want := map[string]any{
				"attempt": 1.0, "generation": 2.0 - float64(i), "stage": "fetch", "outcome": "failed", "code": "source_not_found",
				"detail": "the source answered 404", "duration_ms": 1500.0, "worker": "worker-1", "request_id": "r-job",
			}
			if diff := cmp.Diff(want, attempt); diff != "" {
				t.Errorf("try %d (-want +got):\n%s", i, diff)
			}
		}
	}
	for _, path := range []string{
		"/products/" + id + "/images/" + uuid.NewString() + "/attempts", "/products/" + uuid.NewString() + "/images/" + images[0] + "/attempts",
		"/products/" + id + "/images/x/attempts",
	} {
		wantProblem(t, s.call(t, http.MethodGet, path, ""), http.StatusNotFound, "not_found")
	}
	wantProblem(t, s.call(t, http.MethodGet, "/products/"+id+"/images/"+images[0]+"/attempts?limit=1", ""), http.StatusBadRequest, "invalid_parameters")
}
