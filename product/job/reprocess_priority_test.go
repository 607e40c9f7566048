package job_test

import (
	"context"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/imaging/worker"
	"vitrine/product"
)

// due makes images of an owner ready, and the making of their WebP variants due.
func due(c *testenv.Environment, owner int64, n int) {
	c.T.Helper()
	c.AddBacklog(owner, n)
	c.Exec(`UPDATE images SET status = 'ready', source_sha256 = $2, variants = '[{}]', reprocess = '{webp}' FROM products
		WHERE products.id = product_id AND user_id = $1 AND status = 'pending'`, owner, testenv.Digest(1))
	c.Exec(`UPDATE outbox SET priority = 2 FROM images WHERE images.id = subject AND status = 'ready' AND reprocess = '{webp}'`)
}

// TestFirstProcessingOvertakesReprocessing has a large backlog of reprocessing, and an
// image of the same owner come then: it is the next to be sent.
func TestFirstProcessingOvertakesReprocessing(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	due(c, c.User, 300)
	l := testenv.NewJobSink(c)
	l.RunRelays(2, testenv.Unlimited)
	begin := func() imaging.Claim { // the only one that is sent
		t.Helper()
		claim := l.ClaimNext()
		if !claim.Reprocess {
			t.Fatalf("%+v", claim)
		}
		return claim
	}
	claim := begin()
	w := c.NewProduct(testenv.Source)
	if j := testenv.Receive(t, "a value", l.Jobs); j.Reprocess || j.ImageID != w.Images[0].ID {
		t.Errorf("%+v was sent while an image waits to become ready", j)
	}
	c.Settle(claim, imaging.Outcome{Result: &claim.Was, Unchanged: true, Stage: imaging.StageFetch})
	begin()
}

// TestAskedWorkOvertakesRoutine has a focal point be set while WebP variants of the same
// owner and of another one wait.
func TestAskedWorkOvertakesRoutine(t *testing.T) {
	t.Parallel()
	for name, owner := range map[string]func(*testenv.Environment) int64{
		"of the same owner": func(c *testenv.Environment) int64 { return c.User },
		"of another owner":  func(c *testenv.Environment) int64 { return c.AddUser() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct(testenv.Source)
			first := c.Claim(w.Images[0], "w")
			o := testenv.ReadyOutcome(first, testenv.Digest(1))
			o.Result.WebPDue = true
			c.Settle(first, o)
			c.Exec(`DELETE FROM outbox`)
			c.Exec(`UPDATE images SET reprocess = '{}'`)
			due(c, owner(c), 50)
			c.SetFocal(w, &product.Focal{X: 0.1, Y: 0.2})
			l := testenv.NewJobSink(c)
			l.RunRelays(1, testenv.Unlimited)
			if claim := l.ClaimNext(); claim.Reason != imaging.ReasonFocal || claim.ImageID != w.Images[0].ID {
				t.Errorf("%s is the first", claim.Reason)
			}
		})
	}
}

// TestAskedWorkOvertakesOverdueRoutine has a focal point be set while routine work has waited
// for longer than it has to, with and without images that are not ready.
func TestAskedWorkOvertakesOverdueRoutine(t *testing.T) {
	t.Parallel()
	for name, notReady := range map[string]int{"alone": 0, "besides first processing": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct(testenv.Source)
			first := c.Claim(w.Images[0], "w")
			c.Settle(first, testenv.ReadyOutcome(first, testenv.Digest(1)))
			c.Exec(`DELETE FROM outbox`)
			due(c, c.AddUser(), 50)
			c.Exec(`UPDATE outbox SET available_at = now() - interval '1 hour'`)
			c.AddBacklog(c.User, notReady)
			c.SetFocal(w, &product.Focal{X: 0.1, Y: 0.2})
			l := testenv.NewJobSink(c)
			l.RunRelays(1, testenv.Unlimited)
			if claim := l.ClaimNext(); claim.Reason != imaging.ReasonFocal || claim.ImageID != w.Images[0].ID {
				t.Errorf("%q is the first", claim.Reason)
			}
		})
	}
}

// TestFocalPointOvertakesWebPOfItsImage has both be due for one image: the job that waits
// becomes as urgent, and begins with the square.
func TestFocalPointOvertakesWebPOfItsImage(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	first := c.Claim(w.Images[0], "w")
	o := testenv.ReadyOutcome(first, testenv.Digest(1))
	o.Result.WebPDue = true
	c.Exec(`DELETE FROM outbox`)
	c.Settle(first, o)
	due(c, c.User, 50)
	c.Exec(`UPDATE outbox SET available_at = now() - interval '1 minute' WHERE subject <> $1`, w.Images[0].ID)
	c.SetFocal(w, &product.Focal{X: 0.1, Y: 0.2})
	if n := c.Count(`outbox WHERE subject = $1`, w.Images[0].ID); n != 1 {
		t.Errorf("%d jobs of one image", n)
	}
	l := testenv.NewJobSink(c)
	l.RunRelays(1, testenv.Unlimited)
	claim := l.ClaimNext()
	if claim.Reason != imaging.ReasonFocal || claim.ImageID != w.Images[0].ID {
		t.Errorf("%s is the first", claim.Reason)
	}
	c.Settle(claim, imaging.Outcome{Result: &claim.Was, Stage: imaging.StageStore})
	if n := c.Count(`images WHERE id = $1 AND reprocess = '{webp}'`, w.Images[0].ID); n != 1 || c.Count(`outbox WHERE subject = $1 AND priority = 2`, w.Images[0].ID) != 1 {
		t.Error("its WebP variants are forgotten")
	}
}

// TestReprocessingTakesTurns has two owners' backlogs of routine work: they take turns.
func TestReprocessingTakesTurns(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	other := c.AddUser()
	due(c, c.User, 50)
	due(c, other, 2)
	l := testenv.NewJobSink(c)
	l.RunRelays(1, testenv.Unlimited)
	for range 4 {
		claim := l.ClaimNext()
		c.Settle(claim, imaging.Outcome{Result: &claim.Was, Unchanged: true, Stage: imaging.StageFetch})
	}
	turns := map[int64]int{}
	for _, owner := range l.Owners()[:4] {
		turns[owner]++
	}
	if turns[other] != 2 {
		t.Errorf("%v", turns)
	}
}

// TestReprocessWithoutAPermit has a worker receive a second job while it reprocesses an
// image: the job goes back without an attempt.
func TestReprocessWithoutAPermit(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png", "/logo.png")
	s.Exec(`DELETE FROM outbox WHERE kind = 'image_job'`)
	begun, wake := make(chan struct{}), make(chan struct{})
	imageWorker := s.NewWorkerOn(testenv.HookedStore{JobStore: s.Jobs, Claimed: func(context.Context) { close(begun); <-wake }}, testenv.RetryAtOnce)
	handle := func(i int) worker.Verdict {
		j := testenv.JobOf(w.Images[i])
		j.Reprocess = true
		return imageWorker.Handle(t.Context(), testenv.Encode(t, j))
	}
	first := make(chan worker.Verdict, 1)
	go func() { first <- handle(0) }()
	testenv.Receive(t, "a value", begun)
	if got := handle(1); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if n := s.Count(`images WHERE id = $1 AND attempts = 0 AND reprocess = '{webp}' AND lease_holder IS NULL`, w.Images[1].ID); n != 1 {
		t.Error("the image was begun")
	}
	if n := s.Count(`outbox WHERE subject = $1 AND priority = 2`, w.Images[1].ID); n != 1 {
		t.Errorf("%d jobs", n)
	}
	close(wake)
	if got := testenv.Receive(t, "a value", first); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if s.CountWebP(w.Images[0].ID) != 2 {
		t.Error("the first image has no WebP variants")
	}
}

// TestReprocessingSurvivesAWipe has the queue lose all messages.
func TestReprocessingSurvivesAWipe(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png", "/logo.png")
	s.Queue.SetConsumers(2) // both are sent, and nobody takes them
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.NewRelay().Run(ctx) }()
	testenv.Receive(t, "a value", s.Queue.Messages)
	testenv.Receive(t, "a value", s.Queue.Messages)
	testenv.Eventually(t, "the relay is done with them", func() bool { return s.Count("outbox WHERE kind = 'image_job'") == 0 })
	stop()
	if err := testenv.Receive(t, "a value", ended); err != nil {
		t.Fatal(err)
	}
	s.Queue.SetConsumers(0)
	s.Exec(`UPDATE images SET queued_at = now() - interval '31 seconds'`)
	s.Reconcile(testenv.EmptyQueue)
	if n := s.Count("outbox WHERE kind = 'image_job' AND priority = 2"); n != 2 {
		t.Errorf("%d jobs", n)
	}
	s.RunReprocessing(s.Worker)
	s.AwaitReprocessed()
	for _, image := range w.Images {
		if s.CountWebP(image.ID) != 2 {
			t.Errorf("image %s has no WebP variants", image.ID)
		}
	}
}

// TestRetryOvertakesABacklogOfReprocessing has a retry become due while more routine work
// waits than joins the queues of its owners at once.
func TestRetryOvertakesABacklogOfReprocessing(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	due(c, c.User, 2500)
	w := c.NewProduct(testenv.Source)
	c.Exec(`UPDATE outbox SET in_queue = false, owner = NULL, available_at = now() - interval '1 minute'`)
	c.Exec(`UPDATE outbox SET available_at = now() WHERE subject = $1`, w.Images[0].ID)
	l := testenv.NewJobSink(c)
	l.RunRelays(1, testenv.Unlimited)
	if j := testenv.Receive(t, "a value", l.Jobs); j.Reprocess || j.ImageID != w.Images[0].ID {
		t.Errorf("%+v was the first", j)
	}
}
