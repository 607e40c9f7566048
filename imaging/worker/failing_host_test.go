package worker_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/imaging/worker"
)

// After five failures in a row the other images of a host wait without using up attempts.
// After ten deferrals they are tried anyway.
func TestImagesOfAFailingHostWait(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}, worker.Config{}, s3Endpoint(t), nil)
	for range 5 {
		job := r.jobs.add(t, r.web.URL+"/photo", 1)
		r.handle(t.Context(), t, job)
		if row := r.jobs.row(t, job); row.Status != "pending" || row.Ours {
			t.Fatalf("before the host has failed: %+v", row)
		}
	}
	waiting := r.jobs.add(t, r.web.URL+"/other", 1)
	if got := r.handle(t.Context(), t, waiting); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := r.jobs.row(t, waiting); row.Status != "pending" || !row.Ours || row.RetryIn < 10*time.Second {
		t.Errorf("once the host has failed: %+v", row)
	}
	if n := asked.Load(); n != 5 {
		t.Errorf("the host got %d requests, want 5", n)
	}

	t.Run("not for ever", func(t *testing.T) {
		job := r.jobs.add(t, r.web.URL+"/photo", 1)
		if _, err := r.jobs.db.Exec(`UPDATE jobs SET deferrals = 10 WHERE id = $1`, job.ImageID); err != nil {
			t.Fatal(err)
		}
		r.handle(t.Context(), t, job)
		if row := r.jobs.row(t, job); row.Ours || asked.Load() != 6 {
			t.Errorf("after ten deferrals: %+v, %d requests", row, asked.Load())
		}
	})
}

// A missing picture says nothing about its host.
func TestMissingPicturesDoNotStopAHost(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}, worker.Config{}, s3Endpoint(t), nil)
	for range 8 {
		if got := r.handle(t.Context(), t, r.jobs.add(t, r.web.URL+"/gone", 1)); got != worker.DeadLetter {
			t.Errorf("verdict %d", got)
		}
	}
	if n := asked.Load(); n != 8 {
		t.Errorf("the host got %d requests, want 8", n)
	}
}
