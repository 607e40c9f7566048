package worker_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/imaging/worker"
)

// After five failures in a row, the other images of a host wait without using up attempts.
// After ten deferrals their sources are requested anyway.
func TestImagesOfAFailingHostWait(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	e := newEnvironment(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}, options{})
	for range 5 {
		job := e.jobs.add(t, e.web.URL+"/photo", 1)
		e.handle(t.Context(), t, job)
		if row := e.jobs.row(t, job); row.Status != "pending" || row.Ours {
			t.Fatalf("while the host is not known to fail: %+v", row)
		}
	}
	waiting := e.jobs.add(t, e.web.URL+"/other", 1)
	if got := e.handle(t.Context(), t, waiting); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, waiting); row.Status != "pending" || !row.Ours || row.RetryIn < 10*time.Second {
		t.Errorf("once the host is known to fail: %+v", row)
	}
	if n := asked.Load(); n != 5 {
		t.Errorf("the host got %d requests, want 5", n)
	}

	t.Run("after ten deferrals", func(t *testing.T) {
		job := e.jobs.add(t, e.web.URL+"/photo", 1)
		if _, err := e.jobs.db.Exec(`UPDATE jobs SET deferrals = 10 WHERE id = $1`, job.ImageID); err != nil {
			t.Fatal(err)
		}
		e.handle(t.Context(), t, job)
		if row := e.jobs.row(t, job); row.Ours || asked.Load() != 6 {
			t.Errorf("after ten deferrals: %+v, %d requests", row, asked.Load())
		}
	})
}

// A host that answers 404 is not a failing host.
func TestMissingPicturesDoNotStopAHost(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	e := newEnvironment(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}, options{})
	for range 8 {
		if got := e.handle(t.Context(), t, e.jobs.add(t, e.web.URL+"/gone", 1)); got != worker.DeadLetter {
			t.Errorf("verdict %d", got)
		}
	}
	if n := asked.Load(); n != 8 {
		t.Errorf("the host got %d requests, want 8", n)
	}
}
