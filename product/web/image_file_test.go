package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product/web"
)

// makeReady settles the first processing of an image as ready.
func makeReady(t *testing.T, service web.Services, image string, variants ...imaging.Variant) {
	t.Helper()
	id := uuid.MustParse(image[strings.LastIndexByte(image, '/')+1:])
	claim, err := service.Jobs.Claim(t.Context(), imaging.Job{ImageID: id, Generation: 1}, "w", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	err = service.Jobs.Settle(t.Context(), claim, imaging.Outcome{Started: time.Now(), Stage: imaging.StageStore, Result: &imaging.Result{
		SourceSHA256: strings.Repeat("a", 64), SourceFormat: "jpeg", Width: 1, Height: 1, Variants: variants,
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImageFile(t *testing.T) {
	t.Parallel()
	service := newService(t)
	s := serve(t, web.Config{}, service)
	path, images := newPictured(t, s, "https://img.example/1", "https://img.example/2")
	at := images[0] + "/file"
	wantProblem(t, s.call(t, http.MethodGet, at, ""), http.StatusNotFound, "variant_not_found")
	variant := func(name, format string) imaging.Variant {
		return imaging.Variant{Name: name, Key: "products/1/2/" + name + "." + format, Width: 1, Height: 1, Bytes: 1, Format: format}
	}
	makeReady(t, service, images[0], variant("main", "jpeg"), variant("large", "png"), variant("small", "jpeg"),
		variant("main", "webp"), variant("large", "webp"))
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "main.jpeg"},
		{"?size=main", "image/webp", "main.webp"},
		{"?size=main", "image/webp;q=0.1, image/jpeg", "main.jpeg"},
		{"?size=large", "text/html, image/avif, image/webp, */*;q=0.8", "large.webp"},
		{"?size=large", "image/webp;q=0", "large.png"},
		{"?size=large", "text/plain", "large.png"}, // an Accept that excludes every format is ignored
		{"?size=small", "image/webp", "small.jpeg"},
	} {
		a := s.call(t, http.MethodGet, "/api"+at+c.query, "", "Accept", c.accept)
		if want := objectURL("products/1/2/" + c.want); a.status != http.StatusFound || a.header.Get("Location") != want || len(a.raw) > 0 ||
			a.header.Get("Vary") != "Accept" || a.header.Get("Cache-Control") != "private, max-age=30" {
			t.Errorf("%q with %q: %d %v", c.query, c.accept, a.status, a.header)
		}
	}
	wantProblem(t, s.call(t, http.MethodGet, at+"?size=square", ""), http.StatusNotFound, "variant_not_found")
	bad := s.call(t, http.MethodGet, at+"?size=huge", "")
	wantProblem(t, bad, http.StatusBadRequest, "invalid_parameters")
	if f := bad.faults(); f["size"] != "invalid" {
		t.Errorf("%v", f)
	}
	bad = s.call(t, http.MethodGet, at+"?size=main&width=3", "")
	if f := bad.faults(); bad.status != http.StatusBadRequest || f["width"] != "unknown_parameter" {
		t.Errorf("%d %v", bad.status, f)
	}
	wantProblem(t, s.call(t, http.MethodGet, path+"/images/"+uuid.NewString()+"/file", ""), http.StatusNotFound, "not_found")
}
