package worker_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/worker"
)

func TestHandleHandsBackWhenStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e := newEnvironment(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, options{})
	job := e.jobs.add(t, e.web.URL, 5)
	if got := e.handle(ctx, t, job); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, job); row.Status != "pending" || !row.Ours || row.RetryIn != 0 {
		t.Errorf("%+v", row)
	}
	if got := e.handle(ctx, t, job); got != worker.Leave {
		t.Errorf("verdict of a delivery after the stop is %d", got)
	}
}

// An attempt ends when its lease is lost, long before the limits of the download.
func TestHandleStopsWhenItsLeaseIsLost(t *testing.T) {
	t.Parallel()
	fetching := make(chan struct{})
	e := newEnvironment(t, func(_ http.ResponseWriter, r *http.Request) {
		close(fetching)
		<-r.Context().Done()
	}, options{worker: worker.Config{Lease: 400 * time.Millisecond}, fetch: fetch.Config{Timeout: time.Hour}})
	job := e.jobs.add(t, e.web.URL, 1)
	verdict := e.start(t, job)
	testenv.Receive(t, "the request for the source", fetching)
	if _, err := e.jobs.db.Exec(`UPDATE jobs SET holder = 'another'`); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Receive(t, "the verdict", verdict); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, job); row.Status != "processing" {
		t.Errorf("a lost claim was settled: %+v", row)
	}
}

// A lease is renewed while the attempt goes on.
func TestHandleRenewsItsLease(t *testing.T) {
	t.Parallel()
	fetching, respond := make(chan struct{}), make(chan struct{})
	e := newEnvironment(t, func(w http.ResponseWriter, r *http.Request) {
		close(fetching)
		select {
		case <-respond:
			sources(w, &http.Request{URL: r.URL})
		case <-r.Context().Done():
		}
	}, options{worker: worker.Config{Lease: 2 * time.Second}, fetch: fetch.Config{Timeout: time.Hour}})
	job := e.jobs.add(t, e.web.URL+"/logo", 1)
	verdict := e.start(t, job)
	testenv.Receive(t, "the request for the source", fetching)
	first := e.jobs.leaseUntil(t, job)
	testenv.Eventually(t, "the end of the first lease", func() bool { return time.Now().After(first) })
	if _, err := e.jobs.Claim(t.Context(), job, "another", time.Minute); !errors.Is(err, imaging.ErrNothingToDo) {
		t.Errorf("another holder can claim the image: %v", err)
	}
	if until := e.jobs.leaseUntil(t, job); !until.After(first) {
		t.Errorf("the lease ends at %v, as at first", until)
	}
	close(respond)
	if got := testenv.Receive(t, "the verdict", verdict); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, job); row.Status != "ready" || row.Attempts != 1 {
		t.Errorf("%+v", row)
	}
}
