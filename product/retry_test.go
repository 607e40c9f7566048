package product_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
)

func TestRetryImage(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source)
	c.letDown(imaging.CodeSourceNotFound, w.Images[0])
	before := c.get(w.ID)
	c.exec(`DELETE FROM outbox`)

	ctx := product.WithRequestID(t.Context(), "r-retry")
	s, err := c.RetryImage(ctx, product.Everything(), w.ID, w.Images[0].ID, product.Precondition{Version: before.Version})
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, s.Data)
	if got.Version != before.Version+1 || got.Images[0].Status != "pending" || got.Images[0].Attempts != 0 || got.Images[0].Error != nil {
		t.Errorf("%s", s.Data)
	}
	// The cache shows it too.
	if diff := cmp.Diff(got, c.get(w.ID)); diff != "" {
		t.Errorf("read after the retry (-answered +read):\n%s", diff)
	}
	if n := c.count(`outbox WHERE kind = 'image_job' AND subject = $1 AND payload ->> 'generation' = '2'
		AND request_id = 'r-retry' AND available_at <= clock_timestamp()`, w.Images[0].ID); n != 1 || c.count("outbox") != 1 {
		t.Errorf("%d jobs", n)
	}
	if n := c.count("images WHERE id = $1 AND deferrals = 0 AND settled_at IS NULL", w.Images[0].ID); n != 1 {
		t.Error("the image keeps something of its failure")
	}
	if n := c.count("dead_letters WHERE replayed_at IS NOT NULL"); n != 1 {
		t.Error("the dead letter does not count as replayed")
	}

	// What is left of the first generation does no harm, and the second one works.
	_, err = c.jobs.Claim(t.Context(), job(w.Images[0]), "w", lease)
	wantErr(t, err, imaging.ErrNothingToDo)
	c.file(encode(t, job(w.Images[0])), "rejected")
	if n := c.count("dead_letters"); n != 1 || c.count("outbox") != 1 {
		t.Errorf("%d dead letters", n)
	}
	claim := c.claimAgain(w.Images[0].ID)
	if claim.Attempt != 1 {
		t.Errorf("attempt %d", claim.Attempt)
	}
	c.settle(claim, ready(claim, digest(1)))
	if got := c.get(w.ID); got.Images[0].Status != "ready" {
		t.Errorf("%+v", got.Images[0])
	}
}

func TestRetryImageRefuses(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w, other := c.create(source, source, source, source), c.create(source)
	c.claim(w.Images[1], "w")
	claim := c.claim(w.Images[2], "w")
	c.settle(claim, ready(claim, digest(1)))
	c.letDown(imaging.CodeSourceNotFound, w.Images[3])
	before := c.get(w.ID)
	for name, test := range map[string]struct {
		product int64
		image   uuid.UUID
		version int64
		want    error
	}{
		"pending":                {w.ID, w.Images[0].ID, 0, product.ErrNotFailed},
		"processing":             {w.ID, w.Images[1].ID, 0, product.ErrNotFailed},
		"ready":                  {w.ID, w.Images[2].ID, 0, product.ErrNotFailed},
		"another version":        {w.ID, w.Images[3].ID, before.Version + 1, product.ErrPrecondition},
		"of another product":     {w.ID, other.Images[0].ID, 0, product.ErrNotFound},
		"unknown":                {w.ID, uuid.New(), 0, product.ErrNotFound},
		"unknown with a version": {w.ID, uuid.New(), 99, product.ErrNotFound},
		"unknown product":        {unknownID, w.Images[3].ID, 0, product.ErrNotFound},
	} {
		_, err := c.RetryImage(t.Context(), product.Everything(), test.product, test.image, product.Precondition{Version: test.version})
		t.Log(name)
		wantErr(t, err, test.want)
	}
	if diff := cmp.Diff(before, c.get(w.ID)); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source)
	image := w.Images[0]
	retry := failure(imaging.CodeSourceUnavailable)
	retry.Retry, retry.Err.Transient = true, true
	c.settle(c.claim(image, "w-1"), retry)
	c.settle(c.claim(image, "w-2"), failure(imaging.CodeSourceNotFound))
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, image.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	claim := c.claimAgain(image.ID)
	c.settle(claim, ready(claim, digest(1)))

	attempts, err := c.jobs.Attempts(t.Context(), product.Everything(), w.ID, image.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range attempts {
		if attempts[i].StartedAt.IsZero() {
			t.Errorf("try %d has no start", i)
		}
		attempts[i].StartedAt = someTime
	}
	want := []product.Attempt{
		{Generation: 2, Attempt: 1, Stage: "store", Outcome: "ready", Detail: "the colours may look different", Worker: "w-again", RequestID: "r-again", StartedAt: someTime, Duration: ready(claim, "").Duration},
		{Generation: 1, Attempt: 2, Stage: "fetch", Outcome: "failed", Code: "source_not_found", Detail: "the source answered 404", Worker: "w-2", RequestID: "r-job", StartedAt: someTime, Duration: retry.Duration},
		{Generation: 1, Attempt: 1, Stage: "fetch", Outcome: "retry", Code: "source_unavailable", Detail: "the source answered 404", Worker: "w-1", RequestID: "r-job", StartedAt: someTime, Duration: retry.Duration},
	}
	if diff := cmp.Diff(want, attempts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	none, err := c.jobs.Attempts(t.Context(), product.Everything(), w.ID, w.Images[1].ID)
	if err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
	for _, of := range []struct {
		product int64
		image   uuid.UUID
	}{{w.ID, uuid.New()}, {unknownID, image.ID}} {
		_, err := c.jobs.Attempts(t.Context(), product.Everything(), of.product, of.image)
		wantErr(t, err, product.ErrNotFound)
	}
}
