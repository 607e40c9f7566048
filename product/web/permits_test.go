package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product/upload"
	"vitrine/product/web"
)

// another returns a server on the same services with other settings.
func (a *accounts) another(cfg web.Config, service web.Services) *accounts {
	a.t.Helper()
	cfg.AdminToken = adminToken
	return &accounts{serve(a.t, cfg, service), a.t, a.dsn, a.db, service}
}

// slowForm begins a form whose file is never sent.
func slowForm(productID, token string) string {
	return fmt.Sprintf("POST /products/%s/images HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n", productID, token)
}

func TestUploadFormsAreBounded(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	ada, adas := a.shelf()
	eve, eves := a.shelf()
	uploads := upload.New(testenv.Open(t, a.dsn), unreachableObjects(t), 1000)
	b := a.another(web.Config{Uploads: uploads, UploadForms: 4}, a.service)
	under := func(n float64) {
		t.Helper()
		testenv.Eventually(t, "they are under way", func() bool {
			return gauge(t, b.metrics, "vitrine_http_upload_forms") == n && gauge(t, b.metrics, "vitrine_http_requests_in_flight") == 0
		})
	}
	refused := func(productID, token string) {
		t.Helper()
		got := b.as(token, http.MethodPost, "/products/"+productID+"/images", "--b", "Content-Type", "multipart/form-data; boundary=b")
		wantProblem(t, got, http.StatusServiceUnavailable, "too_many_uploads")
		if got.header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
		if line := b.logs.wait(t, "Request processed", got.text("request_id")); line["level"] != "warning" {
			t.Errorf("log line %v", line)
		}
	}
	held := []net.Conn{open(t, b.server, slowForm(adas["products"], ada.key))}
	under(1)
	refused(adas["products"], ada.key) // a user may have a quarter of the permits
	held = append(held, open(t, b.server, slowForm(eves["products"], eve.key)))
	under(2)
	for n := range 2 {
		held = append(held, open(t, b.server, slowForm(adas["products"], adminToken)))
		under(float64(3 + n))
	}
	refused(adas["products"], adminToken)
	if got := counts(t, b.metrics, "vitrine_http_shed_total")["uploads"]; got != 2 {
		t.Errorf("the metric says %v", got)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	under(0)
	open(t, b.server, slowForm(adas["products"], ada.key))
	under(1)
}

// A user can have at most a quarter of the event streams and of the held responses.
func TestNobodyTakesAllStreamsAndHeldAnswers(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	ada, adas := a.shelf()
	eve, eves := a.shelf()
	b := a.another(web.Config{EventStreams: 4, Waiting: 4}, a.service)
	stream := b.follow(t, "", auth(ada.key)...).ready()
	got := b.as(ada.key, http.MethodGet, "/events", "")
	wantProblem(t, got, http.StatusServiceUnavailable, "too_many_streams")
	if line := b.logs.wait(t, "Request processed", got.text("request_id")); line["level"] != "warning" {
		t.Errorf("log line %v", line)
	}
	b.follow(t, "", auth(eve.key)...).ready()
	stream.leave()
	testenv.Eventually(t, "there is room again", func() bool { return b.gauge(t, "vitrine_event_streams") == 1 })
	b.follow(t, "", auth(ada.key)...).ready()

	held := make(chan answer, 2)
	for n, c := range []struct{ path, key string }{{"/products/" + adas["products"], ada.key}, {"/products/" + eves["products"], eve.key}} {
		go func() { held <- b.as(c.key, http.MethodGet, c.path, "", "Prefer", "wait=3") }()
		testenv.Eventually(t, "the answer is held", func() bool { return b.gauge(t, "vitrine_http_waiting_requests") == float64(n+1) })
		wantHeld(t, b.as(c.key, http.MethodGet, c.path, "", "Prefer", "wait=30"), http.StatusOK, "pending", "")
	}
	for range 2 {
		wantHeld(t, <-held, http.StatusOK, "pending", "wait=3")
	}
}

// A form may be large only in its file, not in other parts that package multipart accepts.
func TestFormsAreShortBesidesTheirFile(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 12<<20, web.Config{})
	path, _ := newPictured(t, g.server)
	wantProblem(t, g.add(path, nil, field{"file", strings.Repeat("a", 80<<10), gif}), 413, "body_too_large")
	var many []field
	for range 40 {
		many = append(many, field{strings.Repeat("x", 2000), "", ""})
	}
	wantProblem(t, g.add(path, nil, append(many, field{"file", "a.gif", gif})...), 413, "body_too_large")
	wantProblem(t, g.add(path, nil, field{"file", "a.gif", gif}, field{"file", "b.gif", strings.Repeat("x", 80<<10)}), 413, "body_too_large")
	if a := g.add(path, nil, field{"file", strings.Repeat("a", 50<<10), gif + strings.Repeat("x", 1<<20)}); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

// If the key of a request cannot be checked again at the end of its body, because PostgreSQL is
// unavailable, the response is a 503.
func TestKeyIsAskedForAgainWhenTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u, ids := a.shelf()
	lost, err := cache.New(cache.Config{URL: "redis://127.0.0.1:1/0"}, testenv.Quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lost.Close)
	dsn, proxy := testenv.ProxyURL(t, a.dsn)
	b := a.another(web.Config{}, newServices(testenv.Open(t, dsn), lost, objectURL))
	finish, got := b.slowPatch("/products/"+ids["products"], u.key)
	proxy.Refuse()
	testenv.Eventually(t, "the key is known no more", func() bool {
		return b.as(u.key, http.MethodPost, "/uploads", "{}").text("code") == "unavailable" // not no_such_route
	})
	finish()
	wantProblem(t, <-got, http.StatusServiceUnavailable, "unavailable")
}

// A form may take longer than the limit of other requests, and than keys stay cached.
func TestSlowFormOfAUser(t *testing.T) {
	t.Parallel()
	g := newGallery(t, 1000, web.Config{AdminToken: adminToken, RequestTimeout: time.Second, UploadTimeout: 20 * time.Second})
	a := &accounts{g.server, t, g.dsn, nil, g.service}
	u := a.newAccount()
	id := a.must(u.key, http.MethodPost, "/products", `{"product_name":"Lamp","product_price":1}`)["id"]
	body, contentType := g.form(field{"file", "a.gif", gif})
	body = strings.TrimSuffix(body, "\r\n") // so that the body does not end before it is read to its end
	conn := open(t, g.server, fmt.Sprintf("POST /products/%v/images HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s", id, u.key, contentType, len(body), body[:len(body)-10]))
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	timer := time.AfterFunc(3*time.Second, func() { _, _ = io.WriteString(conn, body[len(body)-10:]) })
	defer timer.Stop()
	got, err := io.ReadAll(conn)
	if line, _, _ := strings.Cut(string(got), "\r\n"); err != nil || line != "HTTP/1.1 201 Created" {
		t.Errorf("%v: %s", err, got)
	}
}
