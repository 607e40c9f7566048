package product_test

import (
	"context"
	"testing"

	"vitrine/bench/testenv"

	"vitrine/imaging"
	"vitrine/product"
)

// due makes images of an owner ready, and reprocessing of them due.
func (c *catalogue) due(owner int64, reason imaging.Reason, n int) {
	c.t.Helper()
	priority := map[imaging.Reason]int{imaging.ReasonWebP: 2, imaging.ReasonFocal: 1}[reason]
	c.backlog(owner, n)
	c.exec(`UPDATE images SET status = 'ready', source_sha256 = $2, variants = '[{}]', reprocess = ARRAY[$3] FROM products
		WHERE products.id = product_id AND user_id = $1 AND status = 'pending'`, owner, digest(1), string(reason))
	c.exec(`UPDATE outbox SET priority = $1 FROM images WHERE images.id = subject AND status = 'ready' AND reprocess = ARRAY[$2]`,
		priority, string(reason))
}

// TestFirstProcessingOvertakesReprocessing has a large backlog of reprocessing, and an
// image of the same owner come then: it is the next to be sent.
func TestFirstProcessingOvertakesReprocessing(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.due(c.user, imaging.ReasonWebP, 300)
	l := newLine(c)
	l.relays(2, freely)
	begin := func() imaging.Claim { // the only one that is sent
		t.Helper()
		claim := l.begin()
		if !claim.Reprocess {
			t.Fatalf("%+v", claim)
		}
		return claim
	}
	claim := begin()
	w := c.create(source)
	if j := testenv.Receive(t, "a value", l.jobs); j.Reprocess || j.ImageID != w.Images[0].ID {
		t.Errorf("%+v was sent while an image waits to become ready", j)
	}
	c.settle(claim, imaging.Outcome{Result: &claim.Was, Unchanged: true, Stage: imaging.StageFetch})
	begin()
}

// TestAskedWorkOvertakesRoutine has a focal point be set while WebP variants of the same
// owner and of another one wait.
func TestAskedWorkOvertakesRoutine(t *testing.T) {
	t.Parallel()
	for name, owner := range map[string]func(*catalogue) int64{
		"of the same owner": func(c *catalogue) int64 { return c.user },
		"of another owner":  func(c *catalogue) int64 { return c.addUser() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			w := c.create(source)
			first := c.claim(w.Images[0], "w")
			o := ready(first, digest(1))
			o.Result.WebPDue = true
			c.settle(first, o)
			c.exec(`DELETE FROM outbox`)
			c.exec(`UPDATE images SET reprocess = '{}'`)
			c.due(owner(c), imaging.ReasonWebP, 50)
			c.patchFocal(w, &product.Focal{X: 0.1, Y: 0.2})
			l := newLine(c)
			l.relays(1, freely)
			if claim := l.begin(); claim.Reason != imaging.ReasonFocal || claim.ImageID != w.Images[0].ID {
				t.Errorf("%s is the first", claim.Reason)
			}
		})
	}
}

// TestFocalPointOvertakesWebPOfItsImage has both be due for one image: the job that waits
// becomes as urgent, and begins with the square.
func TestFocalPointOvertakesWebPOfItsImage(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	first := c.claim(w.Images[0], "w")
	o := ready(first, digest(1))
	o.Result.WebPDue = true
	c.exec(`DELETE FROM outbox`)
	c.settle(first, o)
	c.due(c.user, imaging.ReasonWebP, 50)
	c.exec(`UPDATE outbox SET available_at = now() - interval '1 minute' WHERE subject <> $1`, w.Images[0].ID)
	c.patchFocal(w, &product.Focal{X: 0.1, Y: 0.2})
	if n := c.count(`outbox WHERE subject = $1`, w.Images[0].ID); n != 1 {
		t.Errorf("%d jobs of one image", n)
	}
	l := newLine(c)
	l.relays(1, freely)
	claim := l.begin()
	if claim.Reason != imaging.ReasonFocal || claim.ImageID != w.Images[0].ID {
		t.Errorf("%s is the first", claim.Reason)
	}
	c.settle(claim, imaging.Outcome{Result: &claim.Was, Stage: imaging.StageStore})
	if n := c.count(`images WHERE id = $1 AND reprocess = '{webp}'`, w.Images[0].ID); n != 1 || c.count(`outbox WHERE subject = $1 AND priority = 2`, w.Images[0].ID) != 1 {
		t.Error("its WebP variants are forgotten")
	}
}

// TestReprocessingTakesTurns has two owners' backlogs of routine work: they take turns.
func TestReprocessingTakesTurns(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	other := c.addUser()
	c.due(c.user, imaging.ReasonWebP, 50)
	c.due(other, imaging.ReasonWebP, 2)
	l := newLine(c)
	l.relays(1, freely)
	for range 4 {
		claim := l.begin()
		c.settle(claim, imaging.Outcome{Result: &claim.Was, Unchanged: true, Stage: imaging.StageFetch})
	}
	turns := map[int64]int{}
	for _, owner := range l.sent()[:4] {
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
	s := newStudio(t)
	w := s.ready("/logo.png", "/logo.png")
	s.exec(`DELETE FROM outbox WHERE kind = 'image_job'`)
	begun, wake := make(chan struct{}), make(chan struct{})
	worker := s.newWorkerOn(hooked{JobStore: s.jobs, claimed: func(context.Context) { close(begun); <-wake }}, hasty)
	handle := func(i int) imaging.Verdict {
		j := job(w.Images[i])
		j.Reprocess = true
		return worker.Handle(t.Context(), encode(t, j))
	}
	first := make(chan imaging.Verdict, 1)
	go func() { first <- handle(0) }()
	testenv.Receive(t, "a value", begun)
	if got := handle(1); got != imaging.Ack {
		t.Errorf("verdict %d", got)
	}
	if n := s.count(`images WHERE id = $1 AND attempts = 0 AND reprocess = '{webp}' AND lease_holder IS NULL`, w.Images[1].ID); n != 1 {
		t.Error("the image was begun")
	}
	if n := s.count(`outbox WHERE subject = $1 AND priority = 2`, w.Images[1].ID); n != 1 {
		t.Errorf("%d jobs", n)
	}
	close(wake)
	if got := testenv.Receive(t, "a value", first); got != imaging.Ack {
		t.Errorf("verdict %d", got)
	}
	if s.webps(w.Images[0].ID) != 2 {
		t.Error("the first image has no WebP variants")
	}
}

// TestReprocessingSurvivesAWipe has the queue lose all messages.
func TestReprocessingSurvivesAWipe(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png", "/logo.png")
	s.queue.consumers.Store(2) // both are sent, and nobody takes them
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.relay().Run(ctx) }()
	testenv.Receive(t, "a value", s.queue.waiting)
	testenv.Receive(t, "a value", s.queue.waiting)
	testenv.Eventually(t, "the relay is done with them", func() bool { return s.count("outbox WHERE kind = 'image_job'") == 0 })
	stop()
	if err := testenv.Receive(t, "a value", ended); err != nil {
		t.Fatal(err)
	}
	s.queue.consumers.Store(0)
	s.exec(`UPDATE images SET queued_at = now() - interval '31 seconds'`)
	s.reconcile(empty)
	if n := s.count("outbox WHERE kind = 'image_job' AND priority = 2"); n != 2 {
		t.Errorf("%d jobs", n)
	}
	s.process(s.worker)
	s.idle()
	for _, image := range w.Images {
		if s.webps(image.ID) != 2 {
			t.Errorf("image %s has no WebP variants", image.ID)
		}
	}
}

// TestRetryOvertakesABacklogOfReprocessing has a retry become due while more routine work
// waits than joins the queues of its owners at once.
func TestRetryOvertakesABacklogOfReprocessing(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.due(c.user, imaging.ReasonWebP, 2500)
	w := c.create(source)
	c.exec(`UPDATE outbox SET in_queue = false, owner = NULL, available_at = now() - interval '1 minute'`)
	c.exec(`UPDATE outbox SET available_at = now() WHERE subject = $1`, w.Images[0].ID)
	l := newLine(c)
	l.relays(1, freely)
	if j := testenv.Receive(t, "a value", l.jobs); j.Reprocess || j.ImageID != w.Images[0].ID {
		t.Errorf("%+v was the first", j)
	}
}
