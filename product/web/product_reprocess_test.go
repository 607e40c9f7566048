package web_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product/web"
)

func TestReprocessProduct(t *testing.T) {
	t.Parallel()
	service := newService(t)
	s := serve(t, web.Config{}, service)
	path, images := newPictured(t, s, "https://img.example/1", "https://img.example/2")
	makeReady(t, service, images[0], imaging.Variant{Name: "main", Key: "k", Width: 1, Height: 1, Bytes: 1, Format: "jpeg"})
	tag := s.call(t, http.MethodGet, path, "").header.Get("ETag")
	wantProblem(t, s.call(t, http.MethodPost, path+"/reprocess", "", "If-Match", `"1"`), http.StatusPreconditionFailed, "precondition_failed")
	for range 2 {
		a := s.call(t, http.MethodPost, "/api"+path+"/reprocess", "", "If-Match", tag)
		if a.status != http.StatusAccepted || string(a.raw) != `{"data":{"reprocessing":1,"retrying":0,"pending":1},"message":"Images will be reprocessed"}`+"\n" ||
			a.header.Get("ETag") != tag || a.header.Get("Location") != "/api"+path {
			t.Errorf("%d %v %s", a.status, a.header, a.raw)
		}
	}
	wantProblem(t, s.call(t, http.MethodPost, "/products/"+uuid.NewString()+"/reprocess", ""), http.StatusNotFound, "not_found")
}
