package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// requestGrace is how long a stopping service waits for requests before it cuts them
// off, as main.go has it.
const requestGrace = 8 * time.Second

// TestFollowing has the clients of one replica wait for images that another replica
// processes. They do not delay the stop of their replica.
func TestFollowing(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["FETCH_TIMEOUT"] = "60s"
	file := imagingtest.PNG(imagingtest.Logo(100, 100))
	from := source(t, settings, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/never.png" {
			<-r.Context().Done()
			return
		}
		w.Write(file)
	})
	settings["WORKERS"] = "2"
	worker := start(t, settings)
	worker.waitReady()
	settings["WORKERS"] = "0"
	settings["ADMIN_ADDR"] = "127.0.0.1:0"
	api := start(t, settings)
	user := api.newUser()

	events := api.follow("/events")
	p := api.newProduct(user, from+"/a.png")
	if a := api.held(p.path()); a.header.Get("Preference-Applied") != "wait=30" || !strings.Contains(string(a.Data), `"image_status":"ready"`) {
		t.Errorf("the delayed response is %d %v: %s", a.status, a.header, a.Data)
	}
	for _, want := range []string{"product.created", "image.processing", "image.ready"} {
		if got := next(t, events); got != want {
			t.Errorf("event %s, want %s", got, want)
		}
	}

	p = api.newProduct(user, from+"/never.png")
	answered := make(chan answer, 1)
	go func() { answered <- api.held(p.path()) }()
	waitFor(t, 10*time.Second, "the service to hold the request", func() error {
		if n := api.metric("vitrine_http_waiting_requests"); n != "1" {
			return fmt.Errorf("%s requests wait", n)
		}
		return nil
	})
	if got := next(t, events); got != "product.created" {
		t.Errorf("event %s", got)
	}
	if took := api.terminate(); took > requestGrace {
		t.Errorf("the stop took %s", took)
	}
	if api.err != nil {
		t.Errorf("vitrine exited with %v", api.err)
	}
	if a := <-answered; a.status != http.StatusOK || !strings.Contains(string(a.Data), `"image_status":"pending"`) {
		t.Errorf("the delayed response is %d %s", a.status, a.Data)
	}
	if _, err := io.Copy(io.Discard, events); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

// patient is a client without a time limit.
var patient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// held reads a path with a request that the service may hold for 30 s.
func (i *instance) held(path string) answer {
	req, err := http.NewRequest(http.MethodGet, i.url+path, nil)
	if err != nil {
		i.t.Error(err)
		return answer{}
	}
	req.Header.Set("Prefer", "wait=30")
	a, err := send(patient, req)
	if err != nil {
		i.t.Error(err)
	}
	return a
}

// metric returns the value of a metric without labels, or "" without that metric.
func (i *instance) metric(name string) string {
	i.t.Helper()
	resp, err := client.Get(i.adminURL + "/metrics")
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value
		}
	}
	if err := lines.Err(); err != nil {
		i.t.Fatal(err)
	}
	return ""
}

// follow opens an event stream and returns once the service has accepted it.
func (i *instance) follow(path string) *bufio.Reader {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	i.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url+path, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	resp, err := patient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		i.t.Fatal(resp, err)
	}
	i.t.Cleanup(func() { _ = resp.Body.Close() })
	return bufio.NewReader(resp.Body)
}

// next returns the name of the next event.
func next(t *testing.T, events *bufio.Reader) string {
	t.Helper()
	for {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			return strings.TrimSpace(name)
		}
	}
}
