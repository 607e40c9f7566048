package product_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/imaging/picture"
	"vitrine/product"
	"vitrine/product/producttest"
)

// between is a worker with something that happens around its work.
type between struct {
	*imaging.Worker
	before, after func(ctx context.Context)
}

func (b between) Rework(ctx context.Context, store imaging.ReworkStore, r imaging.Rework) (*imaging.Reworked, error) {
	if b.before != nil {
		b.before(ctx)
	}
	done, err := b.Worker.Rework(ctx, store, r)
	if b.after != nil {
		b.after(ctx)
	}
	return done, err
}

func TestSecondPass(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	image := w.Images[0].ID
	first, asked := s.named(), s.host.requests()
	original := "originals/" + s.objectKey(w.ID).String() + "/"
	if keys := s.bucket.keys(); len(keys) != len(first)+1 || !strings.HasPrefix(keys[0], original) {
		t.Fatalf("the source was not kept: %q", keys)
	}
	s.reworks(s.worker, product.ReworkConfig{})
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
	if a := s.attempt(image); a.Outcome != "reworked" || a.Attempt != 1 || a.Detail != "webp" || a.RequestID != "r-job" || a.Stage != imaging.StageStore {
		t.Errorf("%+v", a)
	}
	if n := s.count(`images WHERE recipe = $1 AND rework_sha256 IS NULL`, s.worker.Recipe()); n != 1 {
		t.Error("the recipe was not written down")
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
	eventually(t, "all objects are gone", func() bool { return len(s.bucket.keys()) == 0 })
}

// TestSecondPassWithoutTheOriginal has it be lost, or the source be another by then.
func TestSecondPassWithoutTheOriginal(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	same, other := s.ready("/logo.png"), s.ready("/logo.png")
	for _, w := range []wire{same, other} {
		if err := s.bucket.DeletePrefix(t.Context(), "originals/"+s.objectKey(w.ID).String()+"/"); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(`UPDATE outbox SET available_at = now() + interval '1 hour' WHERE subject = $1`, other.Images[0].ID)
	s.reworks(s.worker, product.ReworkConfig{})
	eventually(t, "one is reworked", func() bool { return s.webps(same.Images[0].ID) == 2 })
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

// TestReworkKilledInTheMiddle has a process vanish after it has stored its objects,
// and wake up again when another one is done.
func TestReworkKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	stored, wake := make(chan struct{}), make(chan struct{})
	s.reworks(between{Worker: s.worker, after: func(context.Context) { close(stored); <-wake }}, unhurried)
	receive(t, stored)
	if n := s.count(`outbox WHERE kind = 'image_rework' AND attempts = 1`); n != 1 {
		t.Error("the try was not counted before the work")
	}
	// What it has stored is safe until somebody has looked at it.
	s.sweep(s.bucket, product.SweepConfig{Age: anyAge})
	s.exec(`UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE kind = 'image_rework'`)
	s.reworks(s.worker, unhurried)
	s.idle()
	after := s.get(w.ID)
	close(wake)
	s.deletions()
	s.wantObjects()
	if got := s.get(w.ID); s.webps(w.Images[0].ID) != 2 || got.Version != after.Version || after.Version != w.Version+1 {
		t.Errorf("%+v", got)
	}
	if n := s.count(`image_attempts WHERE outcome = 'reworked'`); n != 1 {
		t.Errorf("%d tries have reworked it", n)
	}
	if a := s.attempt(w.Images[0].ID); a.Attempt != 2 {
		t.Errorf("%+v", a)
	}
}

func TestReworkThatKillsItsProcessIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.exec(`UPDATE outbox SET attempts = 5, claim = $1, claimed_until = now() - interval '1 second' WHERE kind = 'image_rework'`, uuid.NewString())
	s.reworks(between{Worker: s.worker, before: func(context.Context) { panic("a sixth try") }}, product.ReworkConfig{})
	s.idle()
	s.deletions()
	s.wantObjects() // the original is gone too
	if a := s.attempt(w.Images[0].ID); a.Outcome != "kept" || a.Code != "worker_crashed" || a.Attempt != 6 {
		t.Errorf("%+v", a)
	}
	if got := s.get(w.ID); got.Version != w.Version || got.Images[0].Status != "ready" {
		t.Errorf("%+v", got)
	}
}

func TestReworkThatFailsIsGivenUp(t *testing.T) {
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
			s.reworks(s.worker, product.ReworkConfig{RetryBase: time.Millisecond, RetryCap: time.Millisecond})
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

// TestReworkWaitsForTheObjectStore has it be down for more tries than there are.
func TestReworkWaitsForTheObjectStore(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.s3.Refuse()
	var tries atomic.Int32
	s.reworks(between{Worker: s.worker, after: func(context.Context) { tries.Add(1) }}, product.ReworkConfig{RetryBase: time.Millisecond, RetryCap: time.Millisecond})
	eventually(t, "there were six tries", func() bool { return tries.Load() >= 6 })
	s.s3.Accept()
	s.idle()
	if a := s.attempt(w.Images[0].ID); a.Outcome != "reworked" || a.Attempt != 1 {
		t.Errorf("%+v", a)
	}
	s.deletions()
	s.wantObjects()
}

// TestReworkWaitsForTheDatabase has it be out of reach when a result is written.
func TestReworkWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	through, p := s.behindProxy(t)
	var tries atomic.Int32
	cut := make(chan struct{})
	relay := product.NewReworkRelay(through, between{Worker: s.worker, after: func(context.Context) {
		if tries.Add(1) == 1 {
			p.Refuse()
			close(cut)
		}
	}}, empty, product.ReworkConfig{RetryBase: time.Millisecond, RetryCap: time.Millisecond}, nil, quiet(), nil)
	run(t, relay.Run)
	receive(t, cut)
	p.Accept()
	s.idle()
	if a := s.attempt(w.Images[0].ID); a.Outcome != "reworked" || a.Attempt != 1 {
		t.Errorf("%+v", a)
	}
}

// behindProxy is the service of another process, whose database can be cut off.
func (s *studio) behindProxy(t *testing.T) (*product.Service, *producttest.Proxy) {
	t.Helper()
	u, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := producttest.NewProxy(t, u.Host)
	u.Host = p.Addr
	store := producttest.Open(t, u.String())
	return product.NewService(store, s.cache, objectURL, quiet()), p
}

func TestReworkOfWhatIsRemovedInTheMiddle(t *testing.T) {
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
				worker := between{Worker: s.worker, after: happen}
				if when == "before it stores" {
					worker = between{Worker: s.worker, before: happen}
				}
				s.reworks(worker, product.ReworkConfig{Overdue: time.Nanosecond}) // the new image's job goes nowhere here
				s.idle()
				s.deletions()
				if keys := s.bucket.keys(); len(keys) > 0 {
					t.Errorf("left are %q", keys)
				}
				if n := s.count(`image_attempts WHERE outcome IN ('reworked', 'kept')`); n != 0 {
					t.Errorf("%d tries are remembered", n)
				}
			})
		}
	}
}

// TestReworkIsHandedBack has the process stop in the middle of the work.
func TestReworkIsHandedBack(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.ready("/logo.png")
	begun := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	relay := product.NewReworkRelay(s.Service, between{Worker: s.worker, before: func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
	}}, empty, product.ReworkConfig{}, nil, quiet(), nil)
	go func() { ended <- relay.Run(ctx) }()
	receive(t, begun)
	stop()
	if err := receive(t, ended); err != nil {
		t.Fatal(err)
	}
	if n := s.count(`outbox WHERE kind = 'image_rework' AND attempts = 0 AND claim IS NULL AND available_at <= now()`); n != 1 {
		t.Error("it was not handed back uncounted")
	}
}

func TestReworksOfTwoReplicas(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	var all []wire
	for range 4 {
		all = append(all, s.ready("/logo.png", "/logo.png")) // equal ones share their objects
	}
	for range 2 {
		service := product.NewService(producttest.Open(t, s.dsn), s.cache, objectURL, quiet())
		run(t, product.NewReworkRelay(service, s.worker, empty, product.ReworkConfig{}, nil, quiet(), nil).Run)
	}
	s.idle()
	for _, w := range all {
		for _, image := range w.Images {
			if n := s.count(`image_attempts WHERE image_id = $1 AND outcome = 'reworked'`, image.ID); n != 1 || s.webps(image.ID) != 2 {
				t.Errorf("image %s was reworked %d times", image.ID, n)
			}
		}
		if got := s.get(w.ID); got.Version != w.Version+2 {
			t.Errorf("version %d after %d", got.Version, w.Version)
		}
	}
	s.deletions()
	s.wantObjects()
}

// TestReworksWaitForFirstPasses has image jobs wait in the outbox, and in the queue.
func TestReworksWaitForFirstPasses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		waiting  int
		inOutbox bool
		overdue  time.Duration
		begins   bool
	}{
		"nothing waits":        {0, false, time.Hour, true},
		"one in the outbox":    {0, true, time.Hour, false},
		"one in the queue":     {1, false, time.Hour, false},
		"it has waited enough": {1, true, time.Nanosecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			s.ready("/logo.png")
			if tc.inOutbox {
				s.create(source)
			}
			looked := make(chan struct{}, 100)
			queue := depth(func() (int, error) {
				looked <- struct{}{}
				return tc.waiting, nil
			})
			var begun atomic.Bool
			worker := between{Worker: s.worker, before: func(context.Context) { begun.Store(true) }}
			run(t, product.NewReworkRelay(s.Service, worker, queue, product.ReworkConfig{Overdue: tc.overdue}, nil, quiet(), nil).Run)
			switch {
			case tc.begins:
				s.idle()
			case tc.waiting > 0:
				receive(t, looked)
				receive(t, looked)
			default: // what is due later is done first
				s.exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('image_rework', $1, '{"reason": "webp"}')`, uuid.NewString())
				s.exec(`UPDATE outbox SET available_at = now() - interval '2 hours' WHERE payload = '{"reason": "webp"}'`)
				eventually(t, "what has waited for two hours is done", func() bool { return s.count(`outbox WHERE payload = '{"reason": "webp"}'`) == 0 })
			}
			if begun.Load() != tc.begins {
				t.Errorf("begun: %t", begun.Load())
			}
		})
	}
}
