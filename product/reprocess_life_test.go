package product_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"vitrine/imaging"
	"vitrine/imaging/picture"
	"vitrine/product"
	"vitrine/product/producttest"
)

func TestReprocessAddsWebP(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	image := w.Images[0].ID
	first, asked := s.named(), s.host.requests()
	original := "originals/" + s.objectKey(w.ID).String() + "/"
	if keys := s.bucket.keys(); len(keys) != len(first)+1 || !strings.HasPrefix(keys[0], original) {
		t.Fatalf("the source was not kept: %q", keys)
	}
	s.process(s.worker)
	s.idle()
	if n := s.webps(image); n != 2 {
		t.Errorf("%d WebP variants", n)
	}
	after := s.get(w.ID)
	if after.Version != w.Version+1 || after.ImageStatus != "ready" || *after.Images[0].URL != *w.Images[0].URL {
		t.Errorf("%+v, before it was %+v", after, w)
	}
	if n := s.count(`event_inbox WHERE product_id = $1 AND version = $2 AND type = 'product.updated' AND image_status = 'ready'`, w.ID, after.Version); n != 1 {
		t.Errorf("%d events", n)
	}
	if a := s.attempt(image); a.Outcome != "reprocessed" || a.Attempt != 1 || a.Detail != "webp" || a.RequestID != "r-job" || a.Stage != imaging.StageStore {
		t.Errorf("%+v", a)
	}
	if n := s.count(`images WHERE pipeline_version = $1 AND reserved_sha256 IS NULL`, s.worker.PipelineVersion()); n != 1 {
		t.Error("the pipeline version was not recorded")
	}
	if s.host.requests() != asked {
		t.Error("the source was asked again")
	}
	s.deletions()
	s.wantObjects()
	if n := len(s.named()); n != len(first)+1 { // the sizes are equal
		t.Errorf("%d objects are named", n)
	}
	if err := s.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "all objects are gone", func() bool { return len(s.bucket.keys()) == 0 })
}

// TestReprocessWithoutTheOriginal has it be lost, or the source be another by then.
func TestReprocessWithoutTheOriginal(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	same, other := s.ready("/logo.png"), s.ready("/logo.png")
	for _, w := range []wire{same, other} {
		if err := s.bucket.DeletePrefix(t.Context(), "originals/"+s.objectKey(w.ID).String()+"/"); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(`UPDATE outbox SET available_at = now() + interval '1 hour' WHERE subject = $1`, other.Images[0].ID)
	s.process(s.worker)
	testenv.Eventually(t, "one has its WebP variants", func() bool { return s.webps(same.Images[0].ID) == 2 })
	s.host.serve(picture.PNG(picture.Corners(240, 200)))
	s.again()
	s.idle()
	if a := s.attempt(other.Images[0].ID); a.Outcome != "kept" || a.Code != "source_changed" {
		t.Errorf("%+v", a)
	}
	if got := s.get(other.ID); got.Version != other.Version || s.webps(other.Images[0].ID) != 0 || got.Images[0].Status != "ready" {
		t.Errorf("%+v", got)
	}
}

// TestReprocessKilledInTheMiddle has a process vanish after it has stored its objects, and
// wake up again when another one is done.
func TestReprocessKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	stored, wake := make(chan struct{}), make(chan struct{})
	s.process(s.newWorkerOn(hooked{JobStore: s.jobs, settling: func(context.Context) { close(stored); <-wake }}, unhurried))
	testenv.Receive(t, "a value", stored)
	if n := s.count(`images WHERE attempts = 1 AND reprocessing = 'webp' AND status = 'ready'`); n != 1 {
		t.Error("the attempt was not counted before the work")
	}
	// What it has stored is safe until somebody has looked at it.
	s.sweep(s.bucket, product.SweepConfig{Age: anyAge})
	s.process(s.newWorker(unhurried))
	s.vanish()
	s.idle()
	after := s.get(w.ID)
	close(wake)
	s.deletions()
	s.wantObjects()
	if got := s.get(w.ID); s.webps(w.Images[0].ID) != 2 || got.Version != after.Version || after.Version != w.Version+1 {
		t.Errorf("%+v", got)
	}
	if n := s.count(`image_attempts WHERE outcome = 'reprocessed'`); n != 1 || s.count(`image_attempts WHERE outcome = 'lost'`) != 1 {
		t.Errorf("%d attempts have changed it", n)
	}
	if a := s.attempt(w.Images[0].ID); a.Attempt != 2 || s.count(`images WHERE attempts = 0`) != 1 {
		t.Errorf("%+v", a)
	}
}

func TestReprocessThatKillsItsProcessIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.exec(`DELETE FROM outbox WHERE kind = 'image_job'`)
	s.exec(`UPDATE images SET attempts = 5, reprocess = '{}', reprocessing = 'webp', lease_holder = 'gone', claimed_at = now(), lease_until = now()`)
	s.host.answer(http.StatusTeapot) // nobody asks
	s.vanish()
	s.process(s.worker)
	s.idle()
	s.deletions()
	s.wantObjects() // the original is gone too
	if a := s.attempt(w.Images[0].ID); a.Outcome != "kept" || a.Code != "worker_crashed" || a.Attempt != 6 {
		t.Errorf("%+v", a)
	}
	if got := s.get(w.ID); got.Version != w.Version || got.Images[0].Status != "ready" || s.count("dead_letters") != 0 {
		t.Errorf("%+v", got)
	}
}

func TestReprocessThatFailsIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status, asked int
		code          string
	}{
		"gone":                 {http.StatusNotFound, 1, "source_not_found"},
		"failing every time":   {http.StatusBadGateway, 5, "source_unavailable"},
		"not a picture at all": {http.StatusNoContent, 1, "source_rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			w := s.ready("/logo.png")
			if err := s.bucket.DeletePrefix(t.Context(), "originals/"+s.objectKey(w.ID).String()+"/"); err != nil {
				t.Fatal(err)
			}
			s.host.answer(tc.status)
			asked := s.host.requests()
			s.process(s.newWorker(hasty))
			s.idle()
			if n := s.host.requests() - asked; n != tc.asked {
				t.Errorf("asked %d times", n)
			}
			if a := s.attempt(w.Images[0].ID); a.Outcome != "kept" || a.Code != tc.code || a.Attempt != tc.asked || !strings.HasPrefix(a.Detail, "webp: ") {
				t.Errorf("%+v", a)
			}
			if got := s.get(w.ID); got.Version != w.Version || got.ImageStatus != "ready" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestReprocessWaitsForTheObjectStore has it be down for more attempts than there are.
func TestReprocessWaitsForTheObjectStore(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.s3.Refuse()
	s.process(s.worker)
	testenv.Eventually(t, "there were six attempts", func() bool {
		s.again()
		return s.count(`image_attempts WHERE outcome = 'handed_back'`) >= 6
	})
	s.s3.Accept()
	s.again()
	s.idle()
	if a := s.attempt(w.Images[0].ID); a.Outcome != "reprocessed" || a.Attempt != 1 {
		t.Errorf("%+v", a)
	}
	s.deletions()
	s.wantObjects()
}

// TestReprocessWaitsForTheDatabase has it be out of reach when a result is written.
func TestReprocessWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	through, p := s.behindProxy(t)
	var tries atomic.Int32
	cut := make(chan struct{})
	s.process(s.newWorkerOn(hooked{JobStore: through.jobs, settling: func(context.Context) {
		switch tries.Add(1) {
		case 1:
			p.Refuse()
		case 3:
			close(cut)
		}
	}}, hasty))
	testenv.Receive(t, "a value", cut)
	p.Accept()
	s.idle()
	if a := s.attempt(w.Images[0].ID); a.Outcome != "reprocessed" || a.Attempt != 1 {
		t.Errorf("%+v", a)
	}
}

// behindProxy is the service of another process, whose database can be cut off.
func (s *studio) behindProxy(t *testing.T) (*replica, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	store := producttest.Open(t, u.String())
	return newReplica(store, s.cache), p
}

func TestReprocessOfWhatIsRemovedInTheMiddle(t *testing.T) {
	t.Parallel()
	remove := map[string]func(*testing.T, *studio, wire){
		"product deleted": func(t *testing.T, s *studio, w wire) {
			if err := s.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
				t.Error(err)
			}
		},
		"image replaced": func(_ *testing.T, s *studio, w wire) { s.setImages(w.ID, source) },
	}
	for name, f := range remove {
		for _, when := range []string{"before it stores", "after that"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				s := newStudio(t)
				w := s.ready("/logo.png")
				var once atomic.Bool
				happen := func(context.Context) {
					if once.CompareAndSwap(false, true) {
						f(t, s, w)
					}
				}
				hooks := hooked{JobStore: s.jobs, settling: happen}
				if when == "before it stores" {
					hooks = hooked{JobStore: s.jobs, claimed: happen}
				}
				s.process(s.newWorkerOn(hooks, hasty))
				testenv.Eventually(t, "it has happened", once.Load)
				s.idle()
				s.deletions()
				if keys := s.bucket.keys(); len(keys) > 0 {
					t.Errorf("left are %q", keys)
				}
				if n := s.count(`image_attempts WHERE outcome IN ('reprocessed', 'kept')`); n != 0 {
					t.Errorf("%d tries are remembered", n)
				}
			})
		}
	}
}

// TestReprocessIsHandedBack has the process stop in the middle of the work.
func TestReprocessIsHandedBack(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	begun := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	worker := s.newWorkerOn(hooked{JobStore: s.jobs, claimed: func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
	}}, hasty)
	verdict := make(chan imaging.Verdict, 1)
	j := job(w.Images[0])
	j.Reprocess = true
	s.exec(`DELETE FROM outbox WHERE kind = 'image_job'`)
	go func() { verdict <- worker.Handle(ctx, encode(t, j)) }()
	testenv.Receive(t, "a value", begun)
	stop()
	if got := testenv.Receive(t, "a value", verdict); got != imaging.Ack && got != imaging.Leave {
		t.Fatalf("verdict %d", got)
	}
	if n := s.count(`images WHERE reprocess = '{webp}' AND lease_holder IS NULL AND attempts = 0`); n != 1 {
		t.Error("it was not handed back uncounted")
	}
	if n := s.count(`outbox WHERE kind = 'image_job' AND priority = 2 AND claim IS NULL AND available_at <= now()`); n != 1 {
		t.Errorf("%d jobs are due", n)
	}
}

func TestReprocessInTwoReplicas(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	var all []wire
	for range 4 {
		all = append(all, s.ready("/logo.png", "/logo.png")) // equal ones share their objects
	}
	for range 2 {
		service := newReplica(producttest.Open(t, s.dsn), s.cache)
		s.process(s.newWorkerOn(service.jobs, hasty))
	}
	s.idle()
	for _, w := range all {
		for _, image := range w.Images {
			if n := s.count(`image_attempts WHERE image_id = $1 AND outcome = 'reprocessed'`, image.ID); n != 1 || s.webps(image.ID) != 2 {
				t.Errorf("image %s was changed %d times", image.ID, n)
			}
		}
		if got := s.get(w.ID); got.Version != w.Version+2 {
			t.Errorf("version %d after %d", got.Version, w.Version)
		}
	}
	s.deletions()
	s.wantObjects()
}

// TestReprocessWaitsForFirstProcessing has jobs of images that are not ready wait in the
// outbox, and in the queue.
func TestReprocessWaitsForFirstProcessing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		waiting  int
		inOutbox bool
		overdue  time.Duration
		begins   bool
	}{
		"nothing waits":        {0, false, time.Hour, true},
		"some in the outbox":   {40, true, time.Hour, false},
		"one in the queue":     {1, false, time.Hour, false},
		"it has waited enough": {40, true, time.Nanosecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			s.ready("/logo.png")
			if tc.inOutbox {
				s.create(source)
			}
			q := &full{line: newLine(s.catalogue), waiting: tc.waiting, looked: make(chan struct{}, 1000)}
			testenv.Run(t, product.NewJobRelay(s.outbox, q, product.JobLimits{PerOwner: 10, Overdue: tc.overdue}, nil, testenv.Quiet()).Run)
			if tc.begins {
				if j := testenv.Receive(t, "a value", q.jobs); !j.Reprocess {
					t.Errorf("%+v was sent", j)
				}
				return
			}
			for range 3 {
				testenv.Receive(t, "a value", q.looked)
			}
			if sent := q.sent(); len(sent) != 0 {
				t.Errorf("%d jobs were sent", len(sent))
			}
		})
	}
}

// full is a line with messages of others in it.
type full struct {
	*line
	waiting int
	looked  chan struct{}
}

func (f *full) Depth(context.Context) (int, error) {
	f.looked <- struct{}{}
	return f.waiting, nil
}
