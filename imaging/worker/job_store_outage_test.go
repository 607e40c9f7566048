package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/imaging/worker"
)

// watched is a job store that reports failed calls, and that loses PostgreSQL after each
// successful call of Reserve.
type watched struct {
	*jobs
	db     *testenv.Proxy
	failed chan string
}

func (w *watched) report(call string, err error) error {
	if err != nil {
		select {
		case w.failed <- call:
		default:
		}
	}
	return err
}

func (w *watched) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	c, err := w.jobs.Claim(ctx, job, holder, lease)
	return c, w.report("claim", err)
}

func (w *watched) Reserve(ctx context.Context, c imaging.Claim, sha256 string) (*imaging.Result, error) {
	duplicate, err := w.jobs.Reserve(ctx, c, sha256)
	if err == nil {
		w.db.Refuse()
	}
	return duplicate, w.report("reserve", err)
}

func (w *watched) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	return w.report("settle", w.jobs.Settle(ctx, c, o))
}

// wantFailed waits until a call has failed twice. Nothing may arrive from never before.
func (w *watched) wantFailed(t *testing.T, call string, never <-chan string) {
	t.Helper()
	for n := 0; n < 2; {
		select {
		case got := <-w.failed:
			if got == call {
				n++
			}
		case event := <-never:
			t.Fatalf("%s although %s has failed", event, call)
		case <-time.After(20 * time.Second):
			t.Fatalf("%s failed %d times, want 2", call, n)
		}
	}
}

// While PostgreSQL is unavailable, no job is lost and no attempt is counted twice.
func TestHandleWaitsForTheJobStore(t *testing.T) {
	t.Parallel()
	fetched, serve := make(chan string, 10), make(chan struct{})
	store := &watched{failed: make(chan string, 100)}
	e := newEnvironment(t, func(w http.ResponseWriter, r *http.Request) {
		fetched <- "fetched"
		<-serve
		sources(w, &http.Request{URL: r.URL})
	}, options{store: func(j *jobs) worker.JobStore {
		store.jobs = j
		return store
	}})
	store.db = e.db
	job := e.jobs.add(t, e.web.URL+"/logo", 1)
	e.db.Refuse()
	verdict, ended := make(chan worker.Verdict, 1), make(chan string, 1)
	go func() {
		got := e.handle(t.Context(), t, job)
		ended <- fmt.Sprintf("verdict %d", got)
		verdict <- got
	}()
	store.wantFailed(t, "claim", fetched)
	e.db.Accept()
	<-fetched
	e.db.Refuse()
	close(serve)
	store.wantFailed(t, "reserve", ended)
	e.db.Accept() // until the digest is reserved
	store.wantFailed(t, "settle", ended)
	e.db.Accept()
	if got := <-verdict; got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, job); row.Status != "ready" || row.Attempts != 1 {
		t.Errorf("%+v", row)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	e.db.Refuse()
	if got := e.handle(ctx, t, newer(job)); got != worker.Leave {
		t.Errorf("verdict of a delivery that the store never answered is %d", got)
	}
}

// forgetful is a job store whose response to the first claim is lost.
type forgetful struct {
	*jobs
	holders chan string
}

func (f forgetful) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	f.holders <- holder
	if len(f.holders) == 1 {
		return imaging.Claim{}, errors.New("no response")
	}
	return f.jobs.Claim(ctx, job, holder, lease)
}

// A claim is repeated with the same holder, so that the store recognises it.
func TestHandleClaimsAgainAsTheSameHolder(t *testing.T) {
	t.Parallel()
	holders := make(chan string, 10)
	e := newEnvironment(t, sources, options{store: func(j *jobs) worker.JobStore { return forgetful{j, holders} }})
	if got := e.handle(t.Context(), t, e.jobs.add(t, e.web.URL+"/logo", 1)); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if first, second := <-holders, <-holders; first != second {
		t.Errorf("claimed as %s, then as %s", first, second)
	}
}

func newer(job imaging.Job) imaging.Job {
	job.Generation++
	return job
}
