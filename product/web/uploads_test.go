package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vitrine/bench/testenv"
	"vitrine/imaging/imagingtest"
	"vitrine/product/upload"
	"vitrine/product/web"
	"vitrine/storage"
)

// gallery is the API with a bucket of its own for files.
type gallery struct {
	*server
	t       *testing.T
	client  *minio.Client
	bucket  string
	dsn     string
	service web.Services
}

// newGallery takes files of up to maxBytes.
func newGallery(t *testing.T, maxBytes int64, cfg web.Config) *gallery {
	t.Helper()
	for _, name := range []string{"S3_ENDPOINT", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: start the servers with `make up` and run the tests with `make test`", name)
		}
	}
	settings := storage.Config{
		Endpoint: os.Getenv("S3_ENDPOINT"), Region: os.Getenv("AWS_REGION"), Bucket: "test-" + strings.ToLower(rand.Text()),
		AccessKey: os.Getenv("AWS_ACCESS_KEY"), SecretKey: os.Getenv("AWS_SECRET_KEY"),
	}
	objects, err := storage.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.Ensure(t.Context()); err != nil {
		t.Fatalf("S3 does not answer: start it with `make up` (%v)", err)
	}
	u, err := url.Parse(settings.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &gallery{t: t, bucket: settings.Bucket}
	g.client, err = minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(settings.AccessKey, settings.SecretKey, ""), Region: settings.Region,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.remove)
	g.dsn = testenv.DSN(t)
	store := testenv.Open(t, g.dsn)
	cfg.Uploads = upload.New(store, objects, maxBytes)
	g.service = newServices(store, newCache(t), objects.URL)
	g.server = serve(t, cfg, g.service)
	return g
}

func (g *gallery) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for object := range g.client.ListObjectsIter(ctx, g.bucket, minio.ListObjectsOptions{Recursive: true}) {
		if err := g.client.RemoveObject(ctx, g.bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			g.t.Error(err)
		}
	}
	if err := g.client.RemoveBucket(ctx, g.bucket); err != nil {
		g.t.Error(err)
	}
}

// files returns the content of all files, by their source.
func (g *gallery) files() map[string]string {
	g.t.Helper()
	files := map[string]string{}
	for object := range g.client.ListObjectsIter(g.t.Context(), g.bucket, minio.ListObjectsOptions{Recursive: true}) {
		body, err := g.client.GetObject(g.t.Context(), g.bucket, object.Key, minio.GetObjectOptions{})
		if err != nil {
			g.t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		if err != nil {
			g.t.Fatal(err)
		}
		files["upload:"+object.Key] = string(content)
	}
	return files
}

// field is a part of a form; file is its name where it has one.
type field struct{ name, file, content string }

func (g *gallery) form(fields ...field) (body, contentType string) {
	g.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for _, f := range fields {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", f.name)}}
		if f.file != "" {
			h = textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=%q", f.name, f.file)}, "Content-Type": {"text/html"}}
		}
		part, err := form.CreatePart(h)
		if err != nil {
			g.t.Fatal(err)
		}
		io.WriteString(part, f.content)
	}
	form.Close()
	return b.String(), form.FormDataContentType()
}

// add posts a form.
func (g *gallery) add(path string, headers []string, fields ...field) answer {
	g.t.Helper()
	body, contentType := g.form(fields...)
	return g.call(g.t, http.MethodPost, path+"/images", body, append(headers, "Content-Type", contentType)...)
}

const gif = "GIF89a: what follows is looked at later"

func TestAddImageByForm(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 12<<20, web.Config{})
	path, _ := newPictured(t, g.server, "https://img.example/1")
	a := g.add("/api"+path, []string{"If-Match", `"1"`}, field{"alt", "", "A lamp\r\nat night"}, field{"position", "", "0"}, field{"focal", "", ` {"x": 1, "y": 0.25}`}, field{"file", "a.gif", gif})
	source, _ := a.data()["source"].(string)
	if a.status != http.StatusCreated || a.text("message") != "Image added successfully" || a.data()["alt"] != "A lamp\r\nat night" || a.data()["position"] != 0.0 || !cmp.Equal(a.data()["focal"], any(map[string]any{"x": 1.0, "y": 0.25})) ||
		a.data()["status"] != "pending" || a.header.Get("Location") != "/api"+path+"/images/"+a.data()["id"].(string) || a.header.Get("ETag") != `W/"2"` {
		t.Fatalf("%d %v %s", a.status, a.header, a.raw)
	}
	if diff := cmp.Diff(map[string]string{source: gif}, g.files()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := g.call(t, http.MethodGet, path, ""); got.data()["product_images"].([]any)[0] != source {
		t.Errorf("%s", got.raw)
	}
	// The fields may come after the file, and a large file in several parts.
	large := gif + strings.Repeat("0123456789abcdef", 11<<20/16)
	a = g.add(path, nil, field{"file", "a.gif", large}, field{"alt", "", ""})
	if a.status != http.StatusCreated || a.data()["alt"] != "" || a.data()["position"] != 2.0 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if got := g.files()[a.data()["source"].(string)]; got != large {
		t.Errorf("%d bytes were stored, want %d", len(got), len(large))
	}
	// Everybody may read what is made of pictures, and not the pictures themselves.
	resp, err := http.Get(os.Getenv("S3_ENDPOINT") + "/" + g.bucket + "/" + strings.TrimPrefix(source, "upload:"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("an upload is read by everybody: %s", resp.Status)
	}
}

func TestFormsAreRefused(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 1000, web.Config{})
	path, _ := newPictured(t, g.server)
	file := field{"file", "a.gif", gif}
	for name, c := range map[string]struct {
		fields []field
		status int
		code   string
		faults map[string]string
	}{
		"a page":             {[]field{{"file", "a.jpg", string(imagingtest.HTML())}}, 422, "validation_failed", map[string]string{"/file": "unsupported_format"}},
		"an empty file":      {[]field{{"file", "a.jpg", ""}}, 422, "validation_failed", map[string]string{"/file": "unsupported_format"}},
		"no file":            {[]field{{"alt", "", "a"}}, 422, "validation_failed", map[string]string{"/file": "required"}},
		"nothing":            {nil, 422, "validation_failed", map[string]string{"/file": "required"}},
		"bad fields":         {[]field{{"alt", "", strings.Repeat("a", 501)}, {"position", "", "first"}, {"x", "", "y"}, file}, 422, "validation_failed", map[string]string{"/alt": "too_long", "/position": "invalid", "/x": "unknown_field"}},
		"a place far behind": {[]field{{"position", "", "1"}, file}, 422, "validation_failed", map[string]string{"/position": "out_of_range"}},
		"a bad point":        {[]field{{"focal", "", `{"x":3}`}, file}, 422, "validation_failed", map[string]string{"/focal/y": "required"}},
		"a point outside":    {[]field{{"focal", "", `{"x":3,"y":0}`}, file}, 422, "validation_failed", map[string]string{"/focal/x": "out_of_range"}},
		"no point":           {[]field{{"focal", "", "left"}, file}, 422, "validation_failed", map[string]string{"/focal": "invalid"}},
		"a long field":       {[]field{{"alt", "", strings.Repeat("a", 5000)}, file}, 422, "validation_failed", map[string]string{"/alt": "too_long"}},
		"not UTF-8":          {[]field{{"alt", "", "\xff"}, file}, 422, "validation_failed", map[string]string{"/alt": "invalid_characters"}},
		"two files":          {[]field{file, file}, 422, "validation_failed", map[string]string{"/file": "duplicate_field"}},
		"a byte too long":    {[]field{{"file", "a.gif", gif + strings.Repeat("x", 1001-len(gif))}}, 413, "file_too_large", map[string]string{}},
		"far too long":       {[]field{{"file", "a.gif", gif + strings.Repeat("x", 1<<20)}}, 413, "file_too_large", map[string]string{}},
		"much around it":     {[]field{{"x", "", strings.Repeat("x", 1<<20)}, file}, 413, "body_too_large", map[string]string{}},
	} {
		a := g.add(path, nil, c.fields...)
		t.Log(name)
		wantProblem(t, a, c.status, c.code)
		if diff := cmp.Diff(c.faults, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	whole, contentType := g.form(file)
	for name, c := range map[string]struct{ body, contentType, code string }{
		"cut off":       {whole[:len(whole)-30], contentType, "unreadable_body"},
		"no boundary":   {whole, "multipart/form-data", "malformed_form"},
		"long boundary": {whole, "multipart/form-data; boundary=" + strings.Repeat("a", 71), "malformed_form"},
	} {
		t.Log(name)
		wantProblem(t, g.call(t, http.MethodPost, path+"/images", c.body, "Content-Type", c.contentType), 400, c.code)
	}
	wantProblem(t, g.call(t, http.MethodPost, path+"/images", "no form", "Content-Type", contentType), 422, "validation_failed")
	mixed := g.call(t, http.MethodPost, path+"/images", whole, "Content-Type", strings.Replace(contentType, "form-data", "mixed", 1))
	wantProblem(t, mixed, http.StatusUnsupportedMediaType, "unsupported_media_type")
	if mixed.header.Get("Accept") != "application/json, multipart/form-data" {
		t.Errorf("%v", mixed.header)
	}
	wantProblem(t, g.add(path, []string{"If-Match", "2"}, file), 400, "invalid_entity_tag")
	wantProblem(t, g.add(path, []string{"If-Match", `"2"`}, file), 412, "precondition_failed")
	wantProblem(t, g.add(path, []string{"Idempotency-Key", "a b"}, file), 400, "invalid_idempotency_key")
	wantProblem(t, g.add("/products/"+owner, nil, file), 404, "not_found")
	if a := g.call(t, http.MethodGet, path, ""); a.data()["version"] != 1.0 {
		t.Errorf("a refused write changed the product: %s", a.raw)
	}
}

// TestFormIsReplayed repeats a form, whose boundary is another one each time.
func TestFormIsReplayed(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 1000, web.Config{})
	path, _ := newPictured(t, g.server)
	key := []string{"Idempotency-Key", "k"}
	first := g.add(path, key, field{"alt", "", "a"}, field{"file", "a.gif", gif})
	again := g.add(path, key, field{"file", "b.gif", gif}, field{"alt", "", "a"})
	if first.status != http.StatusCreated || again.header.Get("Idempotent-Replayed") != "true" || string(first.raw) != string(again.raw) {
		t.Errorf("%d %s, then %d %s", first.status, first.raw, again.status, again.raw)
	}
	for name, fields := range map[string][]field{
		"another file": {{"alt", "", "a"}, {"file", "a.gif", gif + "!"}}, "another alt": {{"alt", "", "b"}, {"file", "a.gif", gif}}, "no alt": {{"file", "a.gif", gif}},
	} {
		t.Log(name)
		wantProblem(t, g.add(path, key, fields...), 422, "idempotency_key_reused")
	}
	if images := g.call(t, http.MethodGet, path, "").data()["images"].([]any); len(images) != 1 {
		t.Errorf("%d images", len(images))
	}
}

// TestSlowFormsHaveMoreTimeThanOthers, but not for ever.
func TestSlowFormsHaveMoreTimeThanOthers(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 1000, web.Config{RequestTimeout: 500 * time.Millisecond, UploadTimeout: 3 * time.Second})
	path, _ := newPictured(t, g.server)
	body, contentType := g.form(field{"file", "a.gif", gif})
	send := func(rest time.Duration) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(conn, "POST %s/images HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, contentType, len(body), body[:len(body)-10])
		timer := time.AfterFunc(rest, func() { io.WriteString(conn, body[len(body)-10:]) })
		defer timer.Stop()
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		line, _, _ := strings.Cut(string(answer), "\r\n")
		return line
	}
	if got := send(time.Second); got != "HTTP/1.1 201 Created" {
		t.Errorf("twice as slow as others may be: %s", got)
	}
	if got := send(time.Hour); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("never: %s", got)
	}
}

func TestCreateUpload(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 1000, web.Config{})
	path, _ := newPictured(t, g.server)
	user := fmt.Sprint(g.call(t, http.MethodGet, path, "").data()["user_id"])
	a := g.call(t, http.MethodPost, "/api/uploads", `{"user_id":`+user+`}`)
	if a.status != http.StatusCreated || a.text("message") != "Upload prepared successfully" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.status, a.header, a.raw)
	}
	var fields []field
	for name, value := range a.data()["fields"].(map[string]any) {
		fields = append(fields, field{name, "", value.(string)})
	}
	source, _ := a.data()["source"].(string)
	expires, err := time.Parse(time.RFC3339, a.data()["expires_at"].(string))
	if err != nil || time.Until(expires) > 15*time.Minute || time.Until(expires) < 14*time.Minute || source != "upload:"+a.data()["key"].(string) {
		t.Errorf("%s", a.raw)
	}
	send := func(file string) int {
		body, contentType := g.form(append(fields, field{"file", "a.gif", file})...)
		resp, err := http.Post(a.data()["url"].(string), contentType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if status := send(gif + strings.Repeat("x", 1001-len(gif))); status != http.StatusBadRequest {
		t.Errorf("a file that is too large: %d", status)
	}
	if status := send(gif); status != http.StatusNoContent {
		t.Errorf("%d", status)
	}
	if diff := cmp.Diff(map[string]string{source: gif}, g.files()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	added := g.call(t, http.MethodPost, path+"/images", `{"source":"`+source+`"}`)
	if added.status != http.StatusCreated || added.data()["source"] != source {
		t.Errorf("%d %s", added.status, added.raw)
	}
	other, _ := newPictured(t, g.server) // of another user
	foreign := g.call(t, http.MethodPost, other+"/images", `{"source":"`+source+`"}`)
	unknown := g.call(t, http.MethodPost, other+"/images", `{"source":"upload:uploads/`+owner+`/`+anyUUID+`"}`)
	for _, a := range []answer{foreign, unknown} {
		wantProblem(t, a, 422, "validation_failed")
		if diff := cmp.Diff(map[string]string{"/source": "unknown_upload"}, a.faults()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}

	for body, want := range map[string]map[string]string{
		`{}`: {"/user_id": "required"}, `{"user_id":"7","x":1}`: {"/user_id": "wrong_type", "/x": "unknown_field"},
		`{"user_id":` + owner + `}`: {"/user_id": "unknown"},
	} {
		a := g.call(t, http.MethodPost, "/uploads", body)
		wantProblem(t, a, 422, "validation_failed")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	s := serve(t, web.Config{}, web.Services{})
	wantProblem(t, s.call(t, http.MethodPost, "/uploads", `{}`), 404, "no_such_route")
}

// unreachableObjects is a store that does what needs no server.
func unreachableObjects(t *testing.T) *storage.Store {
	t.Helper()
	objects, err := storage.New(storage.Config{Endpoint: "http://127.0.0.1:1", Bucket: "none", AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestUploadsAreTheirUsers has users prepare and name uploads, their own and another's.
func TestUploadsAreTheirUsers(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	owner, ids := a.shelf()
	eve, eves := a.shelf()
	upload := a.must(owner.key, http.MethodPost, "/uploads", `{}`)
	source, _ := upload["source"].(string)
	if !strings.HasPrefix(source, "upload:uploads/"+owner.id+"/") {
		t.Errorf("%v", upload)
	}
	body := `{"source":"` + source + `"}`
	for key, path := range map[string]string{eve.key: "/products/" + eves["products"], adminToken: "/products/" + eves["products"]} {
		wantProblem(t, a.as(key, http.MethodPost, path+"/images", body), 422, "validation_failed")
		wantProblem(t, a.as(key, http.MethodPatch, path, `{"product_images":["`+source+`"]}`), 422, "validation_failed")
	}
	for _, key := range []string{owner.key, adminToken} {
		a.must(key, http.MethodPost, "/products/"+ids["products"]+"/images", body)
	}
	a.must(owner.key, http.MethodPost, "/products", `{"product_name":"Lamp","product_price":1,"product_images":["`+source+`"]}`)
}

// TestWithoutTheObjectStore has only forms fail: naming and preparing need none.
func TestWithoutTheObjectStore(t *testing.T) {
	t.Parallel()
	store := testenv.Database(t)
	objects := unreachableObjects(t)
	cfg := web.Config{Uploads: upload.New(store, objects, 1000)}
	g := &gallery{t: t, server: serve(t, cfg, newServices(store, newCache(t), objects.URL))}
	path, _ := newPictured(t, g.server)
	user := fmt.Sprint(g.call(t, http.MethodGet, path, "").data()["user_id"])
	a := g.call(t, http.MethodPost, "/uploads", `{"user_id":`+user+`}`)
	if a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.raw)
	}
	if a := g.call(t, http.MethodPost, path+"/images", `{"source":"`+fmt.Sprint(a.data()["source"])+`"}`); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.raw)
	}
	failed := g.add(path, nil, field{"file", "a.gif", gif})
	wantProblem(t, failed, http.StatusServiceUnavailable, "object_store_unavailable")
	if failed.header.Get("Retry-After") != "1" {
		t.Errorf("%v", failed.header)
	}
}
