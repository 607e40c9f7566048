package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product/deadletter"
	"vitrine/product/web"
)

// runReplays runs the replays until the test ends.
func (s *shop) runReplays() {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- deadletter.NewReplayer(s.service.DeadLetters).Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
}

func TestReplayDeadLetters(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	id, _ := s.failed("https://a.example/1", "https://a.example/2", "https://b.example/1")
	s.file([]byte("no job"))
	for _, prefix := range []string{"", "/api"} {
		a := s.call(t, http.MethodPost, prefix+"/admin/dead-letters/replay", `{"fingerprint":"source_not_found|fetch|c.example"}`)
		want := prefix + "/admin/dead-letters/replays/" + a.data()["id"].(string)
		if a.status != http.StatusAccepted || a.header.Get("Location") != want || a.data()["total"] != 0.0 {
			t.Errorf("%d, Location %q: %s", a.status, a.header.Get("Location"), a.raw)
		}
	}
	a := s.call(t, http.MethodPost, "/admin/dead-letters/replay", `{"all":true,"rate":1000}`)
	if a.status != http.StatusAccepted || a.text("message") != "Replay started" {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	started := a.data()
	if diff := cmp.Diff(started, s.call(t, http.MethodGet, a.header.Get("Location"), "").data()); diff != "" {
		t.Errorf("read after the start (-started +read):\n%s", diff)
	}
	for _, member := range []string{"id", "created_at", "updated_at"} {
		if started[member] == nil {
			t.Errorf("there is no %s", member)
		}
		delete(started, member)
	}
	want := map[string]any{
		"selection": map[string]any{"all": true}, "state": "running", "reason": nil, "rate": 1000.0, "total": 4.0,
		"replayed": 0.0, "finished_at": nil,
		"skipped": map[string]any{"unreadable": 0.0, "image_changed": 0.0, "image_gone": 0.0, "internal": 0.0},
		"canary":  map[string]any{"wanted": 0.0, "ready": 0.0, "failed": 0.0, "waiting": 0.0},
	}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	s.runReplays()
	var done map[string]any
	testenv.Eventually(t, "the replay is done", func() bool {
		done = s.call(t, http.MethodGet, a.header.Get("Location"), "").data()
		return done["state"] == "done"
	})
	if skipped, _ := done["skipped"].(map[string]any); done["replayed"] != 3.0 || skipped["unreadable"] != 1.0 || done["finished_at"] == nil {
		t.Errorf("%v", done)
	}
	if got := s.call(t, http.MethodGet, "/products/"+id, "").data(); got["image_status"] != "pending" {
		t.Errorf("%v", got)
	}
	if got := s.call(t, http.MethodGet, "/admin/dead-letters?replayed=true", "").list(); len(got) != 3 || got[0]["replayed_at"] == nil {
		t.Errorf("%v", got)
	}
}

func TestReplayStopsAtABadCanary(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	_, images := s.failed("https://a.example/1", "https://a.example/2", "https://a.example/3")
	s.runReplays()
	a := s.call(t, http.MethodPost, "/admin/dead-letters/replay", `{"all":true,"canary":1}`)
	progress := func() map[string]any { return s.call(t, http.MethodGet, a.header.Get("Location"), "").data() }
	testenv.Eventually(t, "the canary is begun", func() bool { return progress()["replayed"] == 1.0 })
	s.fail(images[0], 2)
	testenv.Eventually(t, "the replay is over", func() bool { return progress()["state"] != "running" })
	got := progress()
	canary, _ := got["canary"].(map[string]any)
	if got["state"] != "stopped" || got["replayed"] != 1.0 || canary["wanted"] != 1.0 || canary["failed"] != 1.0 ||
		got["reason"] != "canary image "+images[0]+" failed again: source_not_found: the source answered 404" {
		t.Errorf("%v", got)
	}
}

func TestReplayBodies(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for body, want := range map[string]map[string]string{
		`{}`:                                       {"": "exactly_one"},
		`{"id":"x","all":true}`:                    {"/id": "invalid_uuid", "": "exactly_one"},
		`{"all":false}`:                            {"/all": "invalid"},
		`{"all":"true"}`:                           {"/all": "wrong_type"},
		`{"all":null,"fingerprint":""}`:            {"/all": "required", "/fingerprint": "required"},
		`{"all":true,"canary":101,"rate":0}`:       {"/canary": "out_of_range", "/rate": "out_of_range"},
		`{"all":true,"canary":1.5,"rate":"10"}`:    {"/canary": "invalid_integer", "/rate": "wrong_type"},
		`{"all":true,"canary":-1,"rate":1e2}`:      {"/canary": "out_of_range", "/rate": "invalid_integer"},
		`{"all":true,"rate":99999999999999999999}`: {"/rate": "invalid_integer"},
		`{"all":true,"rate":null}`:                 {"/rate": "required"},
		`{"all":true,"speed":3}`:                   {"/speed": "unknown_field"},
		`{"id":"` + anyUUID + `"}`:                 {"/id": "unknown"},
		`{"fingerprint":"a\u0000b"}`:               {"/fingerprint": "nul_character"},
		`[]`:                                       {"": "wrong_type"},
	} {
		a := s.call(t, http.MethodPost, "/admin/dead-letters/replay", body)
		t.Log(body)
		wantProblem(t, a, http.StatusUnprocessableEntity, "validation_failed")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	wantProblem(t, s.call(t, http.MethodPost, "/admin/dead-letters/replay", ""), http.StatusUnsupportedMediaType, "unsupported_media_type")
	for _, id := range []string{uuid.NewString(), "x"} {
		wantProblem(t, s.call(t, http.MethodGet, "/admin/dead-letters/replays/"+id, ""), http.StatusNotFound, "not_found")
	}
}
