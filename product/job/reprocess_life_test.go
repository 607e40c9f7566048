package job_test

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
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
	"vitrine/product"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
)

func TestReprocessAddsWebP(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	image := w.Images[0].ID
	first, asked := s.NamedKeys(), s.Sources.Requests()
	original := "originals/" + s.ObjectKey(w.ID).String() + "/"
	if keys := s.Bucket.Keys(); len(keys) != len(first)+1 || !strings.HasPrefix(keys[0], original) {
		t.Fatalf("the source was not kept: %q", keys)
	}
	s.RunReprocessing(s.Worker)
	s.AwaitReprocessed()
	if n := s.CountWebP(image); n != 2 {
		t.Errorf("%d WebP variants", n)
	}
	after := s.Product(w.ID)
	if after.Version != w.Version+1 || after.ImageStatus != "ready" || *after.Images[0].URL != *w.Images[0].URL {
		t.Errorf("%+v, before it was %+v", after, w)
	}
	if n := s.Count(`event_inbox WHERE product_id = $1 AND version = $2 AND type = 'product.updated' AND image_status = 'ready'`, w.ID, after.Version); n != 1 {
		t.Errorf("%d events", n)
	}
	if a := s.LatestAttempt(image); a.Outcome != "reprocessed" || a.Attempt != 1 || a.Detail != "webp" || a.RequestID != "r-job" || a.Stage != imaging.StageStore {
		t.Errorf("%+v", a)
	}
	if n := s.Count(`images WHERE pipeline_version = $1 AND reserved_sha256 IS NULL`, s.Worker.PipelineVersion()); n != 1 {
		t.Error("the pipeline version was not recorded")
	}
	if s.Sources.Requests() != asked {
		t.Error("the source was asked again")
	}
	s.DeleteObjects()
	s.WantObjects()
	if n := len(s.NamedKeys()); n != len(first)+1 { // the sizes are equal
		t.Errorf("%d objects are named", n)
	}
	if err := s.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "all objects are gone", func() bool { return len(s.Bucket.Keys()) == 0 })
}

// TestReprocessWithoutTheOriginal has it be lost, or the source be another by then.
func TestReprocessWithoutTheOriginal(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	same, other := s.NewReadyProduct("/logo.png"), s.NewReadyProduct("/logo.png")
	for _, w := range []testenv.Product{same, other} {
		if err := s.Bucket.DeletePrefix(t.Context(), "originals/"+s.ObjectKey(w.ID).String()+"/"); err != nil {
			t.Fatal(err)
		}
	}
	s.Exec(`UPDATE outbox SET available_at = now() + interval '1 hour' WHERE subject = $1`, other.Images[0].ID)
	s.RunReprocessing(s.Worker)
	testenv.Eventually(t, "one has its WebP variants", func() bool { return s.CountWebP(same.Images[0].ID) == 2 })
	s.Sources.Serve(imagingtest.PNG(imagingtest.Corners(240, 200)))
	s.MakeJobsDue()
	s.AwaitReprocessed()
	if a := s.LatestAttempt(other.Images[0].ID); a.Outcome != "kept" || a.Code != "source_changed" {
		t.Errorf("%+v", a)
	}
	if got := s.Product(other.ID); got.Version != other.Version || s.CountWebP(other.Images[0].ID) != 0 || got.Images[0].Status != "ready" {
		t.Errorf("%+v", got)
	}
}

// TestReprocessKilledInTheMiddle has a process vanish after it has stored its objects, and
// wake up again when another one is done.
func TestReprocessKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	stored, wake := make(chan struct{}), make(chan struct{})
	s.RunReprocessing(s.NewWorkerOn(testenv.HookedStore{JobStore: s.Jobs, Settling: func(context.Context) { close(stored); <-wake }}, testenv.RetryLater))
	testenv.Receive(t, "a value", stored)
	if n := s.Count(`images WHERE attempts = 1 AND reprocessing = 'webp' AND status = 'ready'`); n != 1 {
		t.Error("the attempt was not counted before the work")
	}
	// What it has stored is safe until somebody has looked at it.
	s.Sweep(s.Bucket, maintenance.SweepConfig{Age: testenv.AnyAge})
	s.RunReprocessing(s.NewWorker(testenv.RetryLater))
	s.LoseWorkers()
	s.AwaitReprocessed()
	after := s.Product(w.ID)
	close(wake)
	s.DeleteObjects()
	s.WantObjects()
	if got := s.Product(w.ID); s.CountWebP(w.Images[0].ID) != 2 || got.Version != after.Version || after.Version != w.Version+1 {
		t.Errorf("%+v", got)
	}
	if n := s.Count(`image_attempts WHERE outcome = 'reprocessed'`); n != 1 || s.Count(`image_attempts WHERE outcome = 'lost'`) != 1 {
		t.Errorf("%d attempts have changed it", n)
	}
	if a := s.LatestAttempt(w.Images[0].ID); a.Attempt != 2 || s.Count(`images WHERE attempts = 0`) != 1 {
		t.Errorf("%+v", a)
	}
}

func TestReprocessThatKillsItsProcessIsGivenUp(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	s.Exec(`DELETE FROM outbox WHERE kind = 'image_job'`)
	s.Exec(`UPDATE images SET attempts = 5, reprocess = '{}', reprocessing = 'webp', lease_holder = 'gone', claimed_at = now(), lease_until = now()`)
	s.Sources.Answer(http.StatusTeapot) // nobody asks
	s.LoseWorkers()
	s.RunReprocessing(s.Worker)
	s.AwaitReprocessed()
	s.DeleteObjects()
	s.WantObjects() // the original is gone too
	if a := s.LatestAttempt(w.Images[0].ID); a.Outcome != "kept" || a.Code != "worker_crashed" || a.Attempt != 6 {
		t.Errorf("%+v", a)
	}
	if got := s.Product(w.ID); got.Version != w.Version || got.Images[0].Status != "ready" || s.Count("dead_letters") != 0 {
		t.Errorf("%+v", got)
	}
}

// TestReprocessForAnotherReasonHasAllItsAttempts has a focal point be set during the last attempt
// for WebP variants, which then fails or is lost.
func TestReprocessForAnotherReasonHasAllItsAttempts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testenv.Pipeline, imaging.Claim, testenv.Product){
		"put off": func(s *testenv.Pipeline, claim imaging.Claim, _ testenv.Product) {
			o := testenv.FailedOutcome(imaging.CodeSourceUnavailable)
			o.Retry = true
			s.Settle(claim, o)
		},
		"lost": func(s *testenv.Pipeline, _ imaging.Claim, w testenv.Product) { s.ExpireLease(w.Images[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.NewPipeline(t)
			w := s.NewReadyProduct("/logo.png")
			s.Exec(`UPDATE images SET attempts = 4`)
			job := testenv.JobOf(w.Images[0])
			job.Reprocess = true
			claim := func(holder string) imaging.Claim {
				t.Helper()
				c, err := s.Jobs.Claim(t.Context(), job, holder, testenv.Lease)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			webp := claim("w-1")
			if webp.Reason != imaging.ReasonWebP || webp.Attempt != 5 {
				t.Fatalf("%+v", webp)
			}
			s.SetFocal(w, &product.Focal{X: 0.1, Y: 0.2})
			end(s, webp, w)
			if focal := claim("w-2"); focal.Reason != imaging.ReasonFocal || focal.Attempt != 1 {
				t.Errorf("attempt %d for %s", focal.Attempt, focal.Reason)
			}
		})
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
			s := testenv.NewPipeline(t)
			w := s.NewReadyProduct("/logo.png")
			if err := s.Bucket.DeletePrefix(t.Context(), "originals/"+s.ObjectKey(w.ID).String()+"/"); err != nil {
				t.Fatal(err)
			}
			s.Sources.Answer(tc.status)
			asked := s.Sources.Requests()
			s.RunReprocessing(s.NewWorker(testenv.RetryAtOnce))
			s.AwaitReprocessed()
			if n := s.Sources.Requests() - asked; n != tc.asked {
				t.Errorf("asked %d times", n)
			}
			if a := s.LatestAttempt(w.Images[0].ID); a.Outcome != "kept" || a.Code != tc.code || a.Attempt != tc.asked || !strings.HasPrefix(a.Detail, "webp: ") {
				t.Errorf("%+v", a)
			}
			if got := s.Product(w.ID); got.Version != w.Version || got.ImageStatus != "ready" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestReprocessWaitsForTheObjectStore has it be down for more attempts than there are.
func TestReprocessWaitsForTheObjectStore(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	s.S3.Refuse()
	s.RunReprocessing(s.Worker)
	testenv.Eventually(t, "there were six attempts", func() bool {
		s.MakeJobsDue()
		return s.Count(`image_attempts WHERE outcome = 'handed_back'`) >= 6
	})
	s.S3.Accept()
	s.MakeJobsDue()
	s.AwaitReprocessed()
	if a := s.LatestAttempt(w.Images[0].ID); a.Outcome != "reprocessed" || a.Attempt != 1 {
		t.Errorf("%+v", a)
	}
	s.DeleteObjects()
	s.WantObjects()
}

// TestReprocessWaitsForTheDatabase has it be out of reach when a result is written.
func TestReprocessWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	through, p := behindProxy(s, t)
	var attempts atomic.Int32
	cut := make(chan struct{})
	s.RunReprocessing(s.NewWorkerOn(testenv.HookedStore{JobStore: through.Jobs, Settling: func(context.Context) {
		switch attempts.Add(1) {
		case 1:
			p.Refuse()
		case 3:
			close(cut)
		}
	}}, testenv.RetryAtOnce))
	testenv.Receive(t, "a value", cut)
	p.Accept()
	s.AwaitReprocessed()
	if a := s.LatestAttempt(w.Images[0].ID); a.Outcome != "reprocessed" || a.Attempt != 1 {
		t.Errorf("%+v", a)
	}
}

// behindProxy is the service of another process, whose database can be cut off.
func behindProxy(s *testenv.Pipeline, t *testing.T) (*testenv.Replica, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	store := testenv.Open(t, u.String())
	return testenv.NewReplica(store, s.Cache), p
}

func TestReprocessOfWhatIsRemovedInTheMiddle(t *testing.T) {
	t.Parallel()
	remove := map[string]func(*testing.T, *testenv.Pipeline, testenv.Product){
		"product deleted": func(t *testing.T, s *testenv.Pipeline, w testenv.Product) {
			if err := s.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
				t.Error(err)
			}
		},
		"image replaced": func(_ *testing.T, s *testenv.Pipeline, w testenv.Product) { s.SetImages(w.ID, testenv.Source) },
	}
	for name, f := range remove {
		for _, when := range []string{"before it stores", "after that"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				s := testenv.NewPipeline(t)
				w := s.NewReadyProduct("/logo.png")
				var once atomic.Bool
				happen := func(context.Context) {
					if once.CompareAndSwap(false, true) {
						f(t, s, w)
					}
				}
				hooks := testenv.HookedStore{JobStore: s.Jobs, Settling: happen}
				if when == "before it stores" {
					hooks = testenv.HookedStore{JobStore: s.Jobs, Claimed: happen}
				}
				s.RunReprocessing(s.NewWorkerOn(hooks, testenv.RetryAtOnce))
				testenv.Eventually(t, "it has happened", once.Load)
				s.AwaitReprocessed()
				s.DeleteObjects()
				if keys := s.Bucket.Keys(); len(keys) > 0 {
					t.Errorf("left are %q", keys)
				}
				if n := s.Count(`image_attempts WHERE outcome IN ('reprocessed', 'kept')`); n != 0 {
					t.Errorf("%d attempts are recorded", n)
				}
			})
		}
	}
}

// TestReprocessIsHandedBack has the process stop in the middle of the work.
func TestReprocessIsHandedBack(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	begun := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	imageWorker := s.NewWorkerOn(testenv.HookedStore{JobStore: s.Jobs, Claimed: func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
	}}, testenv.RetryAtOnce)
	verdict := make(chan worker.Verdict, 1)
	j := testenv.JobOf(w.Images[0])
	j.Reprocess = true
	s.Exec(`DELETE FROM outbox WHERE kind = 'image_job'`)
	go func() { verdict <- imageWorker.Handle(ctx, testenv.Encode(t, j)) }()
	testenv.Receive(t, "a value", begun)
	stop()
	if got := testenv.Receive(t, "a value", verdict); got != worker.Ack && got != worker.Leave {
		t.Fatalf("verdict %d", got)
	}
	if n := s.Count(`images WHERE reprocess = '{webp}' AND lease_holder IS NULL AND attempts = 0`); n != 1 {
		t.Error("it was not handed back uncounted")
	}
	if n := s.Count(`outbox WHERE kind = 'image_job' AND priority = 2 AND claim IS NULL AND available_at <= now()`); n != 1 {
		t.Errorf("%d jobs are due", n)
	}
}

func TestReprocessInTwoReplicas(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	var all []testenv.Product
	for range 4 {
		all = append(all, s.NewReadyProduct("/logo.png", "/logo.png")) // equal ones share their objects
	}
	for range 2 {
		service := testenv.NewReplica(testenv.Open(t, s.DSN), s.Cache)
		s.RunReprocessing(s.NewWorkerOn(service.Jobs, testenv.RetryAtOnce))
	}
	s.AwaitReprocessed()
	for _, w := range all {
		for _, image := range w.Images {
			if n := s.Count(`image_attempts WHERE image_id = $1 AND outcome = 'reprocessed'`, image.ID); n != 1 || s.CountWebP(image.ID) != 2 {
				t.Errorf("image %s was changed %d times", image.ID, n)
			}
		}
		if got := s.Product(w.ID); got.Version != w.Version+2 {
			t.Errorf("version %d after %d", got.Version, w.Version)
		}
	}
	s.DeleteObjects()
	s.WantObjects()
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
			s := testenv.NewPipeline(t)
			s.NewReadyProduct("/logo.png")
			if tc.inOutbox {
				s.NewProduct(testenv.Source)
			}
			q := &full{JobSink: testenv.NewJobSink(s.Environment), waiting: tc.waiting, looked: make(chan struct{}, 1000)}
			testenv.Run(t, outbox.NewJobRelay(s.Outbox, q, outbox.Limits{PerOwner: 10, Overdue: tc.overdue}, nil, testenv.Quiet()).Run)
			if tc.begins {
				if j := testenv.Receive(t, "a value", q.Jobs); !j.Reprocess {
					t.Errorf("%+v was sent", j)
				}
				return
			}
			for range 3 {
				testenv.Receive(t, "a value", q.looked)
			}
			if sent := q.Owners(); len(sent) != 0 {
				t.Errorf("%d jobs were sent", len(sent))
			}
		})
	}
}

// full is a line with messages of others in it.
type full struct {
	*testenv.JobSink
	waiting int
	looked  chan struct{}
}

func (f *full) Depth(context.Context) (int, error) {
	f.looked <- struct{}{}
	return f.waiting, nil
}
