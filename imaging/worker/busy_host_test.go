package worker_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/worker"
)

// newBusyRig returns a rig with a second host, localhost, that does not respond until goOn is
// closed. asked receives the number of its requests in progress at each request.
func newBusyRig(t *testing.T, perHost int) (r *rig, slow string, asked chan int32, goOn chan struct{}) {
	t.Helper()
	asked, goOn = make(chan int32, 100), make(chan struct{})
	var now atomic.Int32
	r = newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.Host, "localhost") {
			asked <- now.Add(1)
			defer now.Add(-1)
			select {
			case <-goOn:
			case <-req.Context().Done():
				return
			}
		}
		serveLogo(w, req)
	}, worker.Config{}, s3Endpoint(t), nil)
	r.objects.ensure(t)
	fetcher := r.web.fetcher(t, fetch.Config{Timeout: time.Minute, HostConnections: perHost})
	log := logrus.New()
	log.SetOutput(r.log)
	r.Worker = worker.New(r.jobs, r.objects, fetcher, worker.Config{}, log, nil)
	return r, strings.Replace(r.web.URL, "127.0.0.1", "localhost", 1), asked, goOn
}

// putOff changes a job as the product's job store does when it is deferred.
func (j *jobs) putOff(t *testing.T, job imaging.Job, times int) {
	t.Helper()
	if _, err := j.db.Exec(`UPDATE jobs SET attempts = attempts - 1, deferrals = deferrals + $2 WHERE id = $1`, job.ImageID, times); err != nil {
		t.Error(err)
	}
}

// Four workers with many images from a host that does not respond still finish those of
// another host, and in the end all.
func TestASlowHostLeavesWorkersForOthers(t *testing.T) {
	t.Parallel()
	const perHost, slowOnes, others = 2, 12, 8
	r, slow, asked, goOn := newBusyRig(t, perHost)
	queue := make(chan imaging.Job, slowOnes+others)
	isSlow := map[imaging.Job]bool{}
	for range slowOnes {
		job := r.jobs.add(t, slow, 1)
		isSlow[job] = true
		queue <- job
	}
	for range others {
		queue <- r.jobs.add(t, r.web.URL, 1)
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
					r.handle(t.Context(), t, job)
					if row := r.jobs.row(t, job); row.Status == "ready" {
						ready <- job
						continue
					} else if !row.Ours || row.RetryIn < 700*time.Millisecond || row.RetryIn > time.Minute {
						t.Errorf("deferred: %+v", row)
					}
					r.jobs.putOff(t, job, 1)
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
	close(goOn)
	for range slowOnes {
		<-ready
	}
	close(stop)
	workers.Wait()
	for close(asked); len(asked) > 0; {
		if n := <-asked; n > perHost {
			t.Errorf("%d images were downloaded from the host at once, the limit is %d", n, perHost)
		}
	}
}

// An image that was deferred often waits longer for its turn than a new one, and gets it.
func TestAnImageThatWaitedIsNext(t *testing.T) {
	t.Parallel()
	r, slow, asked, goOn := newBusyRig(t, 1)
	first, old, young := r.jobs.add(t, slow, 1), r.jobs.add(t, slow, 1), r.jobs.add(t, slow, 1)
	r.jobs.putOff(t, old, 30)
	if _, err := r.jobs.db.Exec(`UPDATE jobs SET attempts = 0 WHERE id = $1`, old.ImageID); err != nil {
		t.Fatal(err)
	}
	var handled sync.WaitGroup
	handled.Go(func() { r.handle(t.Context(), t, first) })
	<-asked
	handled.Go(func() { r.handle(t.Context(), t, old) })
	r.handle(t.Context(), t, young)
	if row := r.jobs.row(t, young); row.Status != "pending" || !row.Ours {
		t.Errorf("the young one: %+v", row)
	}
	close(goOn)
	handled.Wait()
	if row := r.jobs.row(t, old); row.Status != "ready" {
		t.Errorf("the old one: %+v", row)
	}
}
