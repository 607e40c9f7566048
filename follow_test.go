package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine/imaging/picture"
)

// Clients of a replica wait for what the workers of another do, and hold up
// nothing when theirs ends.
func TestFollowing(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["FETCH_TIMEOUT"] = "60s"
	file := picture.PNG(picture.Logo(100, 100))
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
	api := start(t, settings)
	user := api.newUser()

	events := api.follow("/events")
	p := api.newProduct(user, from+"/a.png")
	if a := api.held(p.path()); a.header.Get("Preference-Applied") != "wait=30" || !strings.Contains(string(a.Data), `"image_status":"ready"`) {
		t.Errorf("the held answer is %d %v: %s", a.status, a.header, a.Data)
	}
	for _, want := range []string{"product.created", "image.processing", "image.ready"} {
		if got := next(t, events); got != want {
			t.Errorf("event %s, want %s", got, want)
		}
	}

	p = api.newProduct(user, from+"/never.png")
	begun := make(chan struct{})
	answered := make(chan answer, 1)
	go func() {
		close(begun)
		answered <- api.held(p.path())
	}()
	<-begun
	if got := next(t, events); got != "product.created" {
		t.Errorf("event %s", got)
	}
	if took := api.terminate(); took > requestGrace { // then it would have cut them off
		t.Errorf("the end took %s", took)
	}
	if api.err != nil {
		t.Errorf("vitrine ended with %v", api.err)
	}
	if a := <-answered; a.status != http.StatusOK || !strings.Contains(string(a.Data), `"image_status":"pending"`) {
		t.Errorf("the held answer is %d %s", a.status, a.Data)
	}
	if _, err := io.Copy(io.Discard, events); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

// patient is a client for answers that take long.
var patient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// held asks for a path and is ready to wait.
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

// follow opens an event stream, which is there when this returns.
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

// next gives the name of the next event.
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
