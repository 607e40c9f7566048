package worker_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// newBusyHost returns an environment with a second host, localhost, that does not respond
// until respond is closed. requests receives the number of its requests in progress at each
// request.
func newBusyHost(t *testing.T, perHost int) (e *environment, slow string, requests chan int32, respond chan struct{}) {
	t.Helper()
	requests, respond = make(chan int32, 100), make(chan struct{})
	var now atomic.Int32
	e = newEnvironment(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.Host, "localhost") {
			requests <- now.Add(1)
			defer now.Add(-1)
			select {
			case <-respond:
			case <-req.Context().Done():
				return
			}
		}
		serveLogo(w, req)
	}, options{fetch: fetch.Config{Timeout: time.Minute, HostConnections: perHost}})
	return e, strings.Replace(e.web.URL, "127.0.0.1", "localhost", 1), requests, respond
}

// putOff changes a job as the product's job store does after so many deferrals.
func (j *jobs) putOff(t *testing.T, job imaging.Job, times int) {
	t.Helper()
	if _, err := j.db.Exec(`UPDATE jobs SET attempts = attempts - 1, deferrals = deferrals + $2 WHERE id = $1`, job.ImageID, times); err != nil {
		t.Error(err)
	}
}

// While a host does not respond, four consumers with many of its images finish the images of
// another host. Once it responds, they finish all.
func TestASlowHostLeavesWorkersForOthers(t *testing.T) {
	t.Parallel()
	const perHost, slowOnes, others = 2, 12, 8
	e, slow, requests, respond := newBusyHost(t, perHost)
	queue := make(chan imaging.Job, slowOnes+others)
	isSlow := map[imaging.Job]bool{}
	for range slowOnes {
		job := e.jobs.add(t, slow, 1)
		isSlow[job] = true
		queue <- job
	}
	for range others {
		queue <- e.jobs.add(t, e.web.URL, 1)
	}
	ready := make(chan imaging.Job)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case job := <-queue:
					e.handle(t.Context(), t, job)
					if row := e.jobs.row(t, job); row.Status == "ready" {
						ready <- job
						continue
					} else if !row.Ours || row.RetryIn < 700*time.Millisecond || row.RetryIn > time.Minute {
						t.Errorf("deferred: %+v", row)
					}
					e.jobs.putOff(t, job, 1)
					queue <- job
				}
			}
		})
	}
	for range others {
		if job := <-ready; isSlow[job] {
			t.Fatal("an image of the slow host was finished before the others")
		}
	}
	close(respond)
	for range slowOnes {
		<-ready
	}
	close(stop)
	workers.Wait()
	for close(requests); len(requests) > 0; {
		if n := <-requests; n > perHost {
			t.Errorf("%d images were downloaded from the host at once, the limit is %d", n, perHost)
		}
	}
}

// An image that was deferred many times waits for its host, where a new one is deferred.
func TestAnImageThatWaitedIsNext(t *testing.T) {
	t.Parallel()
	e, slow, requests, respond := newBusyHost(t, 1)
	first, old, young := e.jobs.add(t, slow, 1), e.jobs.add(t, slow, 1), e.jobs.add(t, slow, 1)
	e.jobs.putOff(t, old, 30)
	if _, err := e.jobs.db.Exec(`UPDATE jobs SET attempts = 0 WHERE id = $1`, old.ImageID); err != nil {
		t.Fatal(err)
	}
	var handled sync.WaitGroup
	handled.Go(func() { e.handle(t.Context(), t, first) })
	<-requests
	handled.Go(func() { e.handle(t.Context(), t, old) })
	e.handle(t.Context(), t, young)
	if row := e.jobs.row(t, young); row.Status != "pending" || !row.Ours {
		t.Errorf("the young one: %+v", row)
	}
	close(respond)
	handled.Wait()
	if row := e.jobs.row(t, old); row.Status != "ready" {
		t.Errorf("the old one: %+v", row)
	}
}
