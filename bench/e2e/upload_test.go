package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// form sends a multipart form whose last field is a file.
func form(t *testing.T, url string, fields map[string]string, file []byte) *http.Response {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := w.WriteField(name, fields[name]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "picture")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	w.Close()
	resp, err := client.Post(url, w.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestUpload sends files through the API and directly to S3, and follows them to the
// stored variants.
func TestUpload(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["FETCH_MAX_BYTES"] = "2MB"
	v := start(t, settings)
	user := v.newUser()
	p := v.newProduct(user)
	photo := imagingtest.JPEG(imagingtest.Photo(1200, 900, 3), 90, 1)

	sent := form(t, v.url+p.path()+"/images", map[string]string{"alt": "A photo", "position": "0"}, photo)
	if sent.StatusCode != http.StatusCreated {
		t.Fatalf("form: %s", sent.Status)
	}
	var upload struct {
		Source, URL string
		Fields      map[string]string
	}
	v.must(201, "POST", "/uploads", map[string]any{"user_id": user}, &upload)
	if refused := form(t, upload.URL, upload.Fields, append(bytes.Clone(photo), make([]byte, 2_000_001-len(photo))...)); refused.StatusCode != http.StatusBadRequest {
		t.Errorf("a file that is too large: %s", refused.Status)
	}
	if accepted := form(t, upload.URL, upload.Fields, photo); accepted.StatusCode != http.StatusNoContent {
		t.Fatalf("presigned: %s", accepted.Status)
	}
	logo := v.upload(user, imagingtest.PNG(imagingtest.Logo(300, 300)))
	var nothing struct{ Source string }
	v.must(201, "POST", "/uploads", map[string]any{"user_id": user}, &nothing)
	for _, source := range []string{upload.Source, logo, nothing.Source} {
		v.must(201, "POST", p.path()+"/images", map[string]string{"source": source}, nil)
	}

	got := v.settled(p.ID, time.Minute)
	if len(got.Images) != 4 || got.Status != "partial" || len(got.Compressed) != 3 {
		t.Fatalf("settled as %s with %d images and %v", got.Status, len(got.Images), got.Compressed)
	}
	first, second, last := got.Images[0], got.Images[1], got.Images[3]
	if first.Format != "jpeg" || first.Width != 1200 || got.Images[2].Format != "png" || last.Error == nil || last.Error.Code != "upload_not_found" || last.Attempts != 1 {
		t.Errorf("%+v", got.Images)
	}
	if len(first.Variants) != 4 || !slices.Equal(first.Variants, second.Variants) || first.Source == second.Source {
		t.Errorf("a duplicate is stored twice: %+v, %+v", first.Variants, second.Variants)
	}
	for _, variant := range first.Variants {
		checkObject(t, variant.URL, variant.Format, variant.Width, variant.Height, variant.Bytes)
	}
	stored := func() (made, sent []string) {
		for _, key := range objects(t, settings) {
			if strings.HasPrefix(key, "uploads/") {
				sent = append(sent, key)
			} else {
				made = append(made, key)
			}
		}
		return made, sent
	}
	made, uploads := stored()
	if len(uploads) != 3 {
		t.Errorf("uploads are %q, want three", uploads)
	}

	// Deleting a duplicate deletes no variant.
	v.must(200, "DELETE", p.path()+"/images/"+second.ID, nil, nil)
	v.must(200, "PATCH", p.path()+"/images/"+first.ID, map[string]any{"position": 2, "alt": nil}, nil)
	v.must(200, "DELETE", p.path()+"/images/"+got.Images[2].ID, nil, &struct{}{})
	waitFor(t, 20*time.Second, "the deletion of the logo", func() error {
		left, _ := stored()
		for _, key := range left {
			if strings.HasSuffix(key, ".png") {
				return errors.New(key)
			}
		}
		return nil
	})
	left, _ := stored()
	if want := slices.DeleteFunc(made, func(key string) bool { return strings.HasSuffix(key, ".png") }); !slices.Equal(want, left) || len(left) != 4 {
		t.Errorf("%q are left, want %q", left, want)
	}
	var after product
	v.must(200, "GET", p.path(), nil, &after)
	if len(after.Images) != 2 || after.Images[1].ID != first.ID || after.Images[1].Status != "ready" {
		t.Errorf("%+v", after.Images)
	}
}

// upload sends a file directly to S3 and returns the source that names it.
func (i *instance) upload(user int64, file []byte) string {
	i.t.Helper()
	var upload struct {
		Source, URL string
		Fields      map[string]string
	}
	a := i.must(201, "POST", "/uploads", map[string]any{"user_id": user}, nil)
	if err := json.Unmarshal(a.Data, &upload); err != nil {
		i.t.Fatal(err)
	}
	if accepted := form(i.t, upload.URL, upload.Fields, file); accepted.StatusCode != http.StatusNoContent {
		i.t.Fatalf("presigned: %s", accepted.Status)
	}
	return upload.Source
}
