package catalogue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/job"
)

func TestRetryImage(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source)
	c.FailImages(imaging.CodeSourceNotFound, w.Images[0])
	before := c.Product(w.ID)
	c.Exec(`DELETE FROM outbox`)

	ctx := product.WithRequestID(t.Context(), "r-retry")
	s, err := c.RetryImage(ctx, product.Everything(), w.ID, w.Images[0].ID, product.Precondition{Version: before.Version})
	if err != nil {
		t.Fatal(err)
	}
	got := testenv.Decode(t, s.Data)
	if got.Version != before.Version+1 || got.Images[0].Status != "pending" || got.Images[0].Attempts != 0 || got.Images[0].Error != nil {
		t.Errorf("%s", s.Data)
	}
	// The cache shows it too.
	if diff := cmp.Diff(got, c.Product(w.ID)); diff != "" {
		t.Errorf("read after the retry (-answered +read):\n%s", diff)
	}
	if n := c.Count(`outbox WHERE kind = 'image_job' AND subject = $1 AND payload ->> 'generation' = '2'
		AND request_id = 'r-retry' AND available_at <= clock_timestamp()`, w.Images[0].ID); n != 1 || c.Count("outbox") != 1 {
		t.Errorf("%d jobs", n)
	}
	if n := c.Count("images WHERE id = $1 AND deferrals = 0 AND settled_at IS NULL", w.Images[0].ID); n != 1 {
		t.Error("the image keeps something of its failure")
	}
	if n := c.Count("dead_letters WHERE replayed_at IS NOT NULL"); n != 1 {
		t.Error("the dead letter does not count as replayed")
	}

	// What is left of the first generation does no harm, and the second one works.
	_, err = c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w", testenv.Lease)
	testenv.WantErr(t, err, imaging.ErrNothingToDo)
	c.FileDeadLetter(testenv.Encode(t, testenv.JobOf(w.Images[0])), "rejected")
	if n := c.Count("dead_letters"); n != 1 || c.Count("outbox") != 1 {
		t.Errorf("%d dead letters", n)
	}
	claim := c.ClaimSecondGeneration(w.Images[0].ID)
	if claim.Attempt != 1 {
		t.Errorf("attempt %d", claim.Attempt)
	}
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	if got := c.Product(w.ID); got.Images[0].Status != "ready" {
		t.Errorf("%+v", got.Images[0])
	}
}

func TestRetryImageRefuses(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w, other := c.NewProduct(testenv.Source, testenv.Source, testenv.Source, testenv.Source), c.NewProduct(testenv.Source)
	c.Claim(w.Images[1], "w")
	claim := c.Claim(w.Images[2], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	c.FailImages(imaging.CodeSourceNotFound, w.Images[3])
	before := c.Product(w.ID)
	for name, test := range map[string]struct {
		product int64
		image   uuid.UUID
		version int64
		want    error
	}{
		"pending":                {w.ID, w.Images[0].ID, 0, catalogue.ErrNotFailed},
		"processing":             {w.ID, w.Images[1].ID, 0, catalogue.ErrNotFailed},
		"ready":                  {w.ID, w.Images[2].ID, 0, catalogue.ErrNotFailed},
		"another version":        {w.ID, w.Images[3].ID, before.Version + 1, product.ErrPrecondition},
		"of another product":     {w.ID, other.Images[0].ID, 0, product.ErrNotFound},
		"unknown":                {w.ID, uuid.New(), 0, product.ErrNotFound},
		"unknown with a version": {w.ID, uuid.New(), 99, product.ErrNotFound},
		"unknown product":        {testenv.UnknownID, w.Images[3].ID, 0, product.ErrNotFound},
	} {
		_, err := c.RetryImage(t.Context(), product.Everything(), test.product, test.image, product.Precondition{Version: test.version})
		t.Log(name)
		testenv.WantErr(t, err, test.want)
	}
	if diff := cmp.Diff(before, c.Product(w.ID)); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source)
	image := w.Images[0]
	retry := testenv.FailedOutcome(imaging.CodeSourceUnavailable)
	retry.Retry, retry.Err.Transient = true, true
	c.Settle(c.Claim(image, "w-1"), retry)
	c.Settle(c.Claim(image, "w-2"), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, image.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	claim := c.ClaimSecondGeneration(image.ID)
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))

	attempts, err := c.Jobs.Attempts(t.Context(), product.Everything(), w.ID, image.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range attempts {
		if attempts[i].StartedAt.IsZero() {
			t.Errorf("attempt %d has no start", i)
		}
		attempts[i].StartedAt = testenv.SomeTime
	}
	want := []job.Attempt{
		{Generation: 2, Attempt: 1, Stage: "store", Outcome: "ready", Detail: "the colours may look different", Worker: "w-again", RequestID: "r-again", StartedAt: testenv.SomeTime, Duration: testenv.ReadyOutcome(claim, "").Duration},
		{Generation: 1, Attempt: 2, Stage: "fetch", Outcome: "failed", Code: "source_not_found", Detail: "the source answered 404", Worker: "w-2", RequestID: "r-job", StartedAt: testenv.SomeTime, Duration: retry.Duration},
		{Generation: 1, Attempt: 1, Stage: "fetch", Outcome: "retry", Code: "source_unavailable", Detail: "the source answered 404", Worker: "w-1", RequestID: "r-job", StartedAt: testenv.SomeTime, Duration: retry.Duration},
	}
	if diff := cmp.Diff(want, attempts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	none, err := c.Jobs.Attempts(t.Context(), product.Everything(), w.ID, w.Images[1].ID)
	if err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
	for _, of := range []struct {
		product int64
		image   uuid.UUID
	}{{w.ID, uuid.New()}, {testenv.UnknownID, image.ID}} {
		_, err := c.Jobs.Attempts(t.Context(), product.Everything(), of.product, of.image)
		testenv.WantErr(t, err, product.ErrNotFound)
	}
}
