package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/bench/testenv"
	"vitrine/product/web"
	"vitrine/product/web/admission"
)

// hold requests a product with Prefer: wait, and returns once the response is held.
func (r *replica) hold(id, wait string, headers ...string) <-chan answer {
	r.t.Helper()
	before := r.gauge(r.t, "vitrine_http_waiting_requests")
	answers := make(chan answer, 1)
	go func() {
		answers <- r.call(r.t, http.MethodGet, "/products/"+id, "", append([]string{"Prefer", "wait=" + wait}, headers...)...)
	}()
	testenv.Eventually(r.t, "the answer is held", func() bool { return r.gauge(r.t, "vitrine_http_waiting_requests") > before })
	return answers
}

// wantHeld checks the response to a request with Prefer: wait.
func wantHeld(t *testing.T, a answer, status int, imageStatus, applied string) {
	t.Helper()
	if got := a.header.Get("Preference-Applied"); a.status != status || got != applied {
		t.Errorf("got %d with Preference-Applied %q, want %d with %q: %s", a.status, got, status, applied, a.raw)
	}
	if imageStatus != "" && a.data()["image_status"] != imageStatus {
		t.Errorf("image_status is %v, want %s", a.data()["image_status"], imageStatus)
	}
}

func TestWaitUntilImagesSettleOnAnotherReplica(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 2, web.Config{RequestTimeout: 2 * time.Second})
	one, other := replicas[0], replicas[1]
	id, image := one.pending(newUser(t, one.server))
	began := time.Now()
	held := other.hold(id, "20")
	one.fail(image)
	wantHeld(t, <-held, http.StatusOK, "failed", "wait=20")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	// The image has settled, so the response is not held.
	began = time.Now()
	wantHeld(t, other.call(t, http.MethodGet, "/api/products/"+id, "", "Prefer", "respond-async, wait=99"), http.StatusOK, "failed", "wait=30")
	wantHeld(t, other.call(t, http.MethodHead, "/products/"+id, "", "Prefer", "wait=7"), http.StatusOK, "", "wait=7")
	wantHeld(t, other.call(t, http.MethodGet, "/products/"+id, "", "Prefer", "wait=soon"), http.StatusOK, "failed", "")
	wantProblem(t, other.call(t, http.MethodGet, "/products/"+owner, "", "Prefer", "wait=30"), http.StatusNotFound, "not_found")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestWaitWithIfNoneMatch(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 2, web.Config{})
	one, other := replicas[0], replicas[1]
	id, image := one.pending(newUser(t, one.server))

	// While the image is pending, the response is held for the whole time, whatever version the
	// client has.
	first, unknown := other.hold(id, "1", "If-None-Match", `W/"1"`), other.hold(id, "1", "If-None-Match", `W/"7"`)
	wantHeld(t, <-first, http.StatusNotModified, "", "wait=1")
	wantHeld(t, <-unknown, http.StatusOK, "pending", "wait=1")

	// The image settles in version 3. A client with an older version gets it.
	held := other.hold(id, "20", "If-None-Match", `W/"1"`)
	one.fail(image)
	wantHeld(t, <-held, http.StatusOK, "failed", "wait=20")

	// The response is held until the product changes if the client has the settled version.
	held = other.hold(id, "20", "If-None-Match", `W/"3"`)
	if a := one.call(t, http.MethodPatch, "/products/"+id, `{"product_name":"Torch"}`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	a := <-held
	wantHeld(t, a, http.StatusOK, "failed", "wait=20")
	if a.data()["product_name"] != "Torch" || a.header.Get("ETag") != `W/"4"` {
		t.Errorf("%s %s", a.header.Get("ETag"), a.raw)
	}
	// "*" matches every version, so the response is not held.
	wantHeld(t, other.call(t, http.MethodGet, "/products/"+id, "", "Prefer", "wait=30", "If-None-Match", "*"), http.StatusNotModified, "", "wait=30")
}

// A wait may be longer than the server's limits on other requests.
func TestWaitOutlastsTheServersLimits(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	logger := logrus.New()
	logger.SetOutput(&logBuffer{})
	listener := httptest.NewUnstartedServer(web.New(web.Config{RequestTimeout: 300 * time.Millisecond}, r.service, logger, nil))
	limits := admission.NewServer("", listener.Config.Handler, logger)
	limits.Addr, limits.ReadTimeout, limits.WriteTimeout = listener.Config.Addr, 400*time.Millisecond, 500*time.Millisecond
	listener.Config = limits
	listener.Start()
	t.Cleanup(listener.Close)

	id, _ := r.pending(newUser(t, r.server))
	short := &server{url: listener.URL}
	for range 2 { // the connection can be reused
		wantHeld(t, short.call(t, http.MethodGet, "/products/"+id, "", "Prefer", "wait=2"), http.StatusOK, "pending", "wait=2")
	}
}

func TestHeldAnswersAreBounded(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{Waiting: 1})
	r := replicas[0]
	id, image := r.pending(newUser(t, r.server))
	held := r.hold(id, "30")
	wantHeld(t, r.call(t, http.MethodGet, "/products/"+id, "", "Prefer", "wait=30"), http.StatusOK, "pending", "")
	r.fail(image)
	wantHeld(t, <-held, http.StatusOK, "failed", "wait=30")
	testenv.Eventually(t, "there is room again", func() bool { return r.gauge(t, "vitrine_http_waiting_requests") == 0 })
}

func TestHeldAnswersAreGivenWhenTheProcessStops(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	id, _ := r.pending(newUser(t, r.server))
	held := r.hold(id, "30")
	began := time.Now()
	close(r.stop)
	wantHeld(t, <-held, http.StatusOK, "pending", "")
	wantHeld(t, r.call(t, http.MethodGet, "/products/"+id, "", "Prefer", "wait=30"), http.StatusOK, "pending", "")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestWaitingClientThatLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	id, _ := r.pending(newUser(t, r.server))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/products/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Prefer", "wait=30")
	req.Header.Set("X-Request-ID", "leaves")
	ended := make(chan error, 1)
	go func() {
		_, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
		ended <- err
	}()
	testenv.Eventually(t, "the answer is held", func() bool { return r.gauge(t, "vitrine_http_waiting_requests") == 1 })
	leave()
	<-ended
	if line := r.logs.wait(t, "Request processed", "leaves"); line["status"] != 499.0 || line["duration_ms"].(float64) > 15_000 {
		t.Errorf("log line %v", line)
	}
	if n := r.gauge(t, "vitrine_http_waiting_requests"); n != 0 {
		t.Errorf("%v wait still", n)
	}
}

func TestWaitWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 2, web.Config{})
	one, other := replicas[0], replicas[1]
	user := newUser(t, one.server)
	cached, _ := one.pending(user)
	held := one.hold(cached, "3")
	uncached, _ := other.pending(user)
	one.database.Refuse()
	began := time.Now()
	wantProblem(t, one.call(t, http.MethodGet, "/products/"+uncached, "", "Prefer", "wait=30"), http.StatusServiceUnavailable, "unavailable")
	wantHeld(t, <-held, http.StatusOK, "pending", "wait=3") // from the cache
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %v", took)
	}
}
