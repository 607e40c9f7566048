package deadletter_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
)

// The transaction that marks an image as failed files its dead letter: the broker has
// nothing to do with it, and what it delivers later changes nothing.
func TestFailureFilesItsDeadLetter(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source)
	c.Settle(c.Claim(w.Images[0], "w"), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	var reason, fingerprint string
	var payload []byte
	var same bool
	if err := c.DB.QueryRow(`SELECT reason, fingerprint, payload, dead_letters.xmin = images.xmin FROM dead_letters JOIN images ON images.id = image_id
		WHERE status = 'failed'`).Scan(&reason, &fingerprint, &payload, &same); err != nil {
		t.Fatal(err)
	}
	j, err := imaging.DecodeJob(payload)
	if err != nil || j.ImageID != w.Images[0].ID || reason != "rejected" || fingerprint != "source_not_found|fetch|a.example" || !same {
		t.Errorf("%+v, %v, %s, %s, in the same transaction: %t", j, err, reason, fingerprint, same)
	}
	if n := c.Count("dead_letters"); n != 1 {
		t.Errorf("%d dead letters", n)
	}
	// Without its dead letter an image does not fail.
	claim := c.Claim(w.Images[1], "w")
	c.Exec(`ALTER TABLE dead_letters ADD CONSTRAINT full_up CHECK (false) NOT VALID`)
	if err := c.Jobs.Settle(t.Context(), claim, testenv.FailedOutcome(imaging.CodeSourceNotFound)); err == nil {
		t.Error("no error")
	}
	if got := c.Product(w.ID).Images[1]; got.Status != "processing" {
		t.Errorf("%+v", got)
	}
}

func TestFileFailedImage(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct("https://user-pictures.example:8443/1.png?token=secret")
	c.Settle(c.Claim(w.Images[0], "w"), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	body := testenv.Encode(t, testenv.JobOf(w.Images[0]))
	for range 3 {
		c.FileDeadLetter(body, "rejected")
	}
	var got struct {
		image                                     uuid.UUID
		product                                   int64
		generation                                int64
		payload                                   []byte
		reason, code, stage, host, print, request string
	}
	if err := c.DB.QueryRow(`SELECT image_id, product_id, generation, payload, reason, code, stage, host, fingerprint, request_id
		FROM dead_letters`).Scan(&got.image, &got.product, &got.generation, &got.payload, &got.reason, &got.code, &got.stage,
		&got.host, &got.print, &got.request); err != nil {
		t.Fatal(err)
	}
	if got.image != w.Images[0].ID || got.product != w.ID || got.generation != 1 || !bytes.Equal(got.payload, body) {
		t.Errorf("%+v", got)
	}
	const host = "user-pictures.example"
	if got.reason != "rejected" || got.code != "source_not_found" || got.stage != "fetch" || got.host != host ||
		got.print != "source_not_found|fetch|"+host || got.request != "r-job" {
		t.Errorf("%+v", got)
	}
	if n := c.Count("dead_letters"); n != 1 {
		t.Errorf("%d dead letters", n)
	}
	_, err := c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w-2", testenv.Lease)
	testenv.WantErr(t, err, imaging.ErrNothingToDo)
	// A later failure of the same image is another one.
	c.Exec(`UPDATE images SET generation = 2`)
	c.FileDeadLetter(testenv.Encode(t, imaging.Job{ImageID: w.Images[0].ID, Generation: 2}), "rejected")
	if n := c.Count("dead_letters"); n != 2 {
		t.Errorf("%d dead letters", n)
	}
}

func TestFileUnreadable(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	long := bytes.Repeat([]byte{0xff}, 100_000)
	for _, body := range [][]byte{nil, []byte("\x00\xff"), []byte("\x00\xff"), []byte(`{"v":2}`), long} {
		c.FileDeadLetter(body, "rejected\x00")
	}
	if n := c.Count("dead_letters WHERE image_id IS NULL AND code = 'unreadable' AND fingerprint = 'unreadable||' AND reason = 'rejected'"); n != 4 {
		t.Errorf("%d dead letters, want 4", n)
	}
	if n := c.Count("dead_letters WHERE payload_bytes = 100000 AND length(payload) = 65536"); n != 1 {
		t.Error("the long message is not cut")
	}
}

func TestFileLeavesWhatHasNotFailed(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source)
	c.Exec(`DELETE FROM outbox`)
	pending, processing, done := w.Images[0], w.Images[1], w.Images[2]
	c.Claim(processing, "w")
	claim := c.Claim(done, "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	for _, j := range []imaging.Job{
		testenv.JobOf(pending), testenv.JobOf(pending), testenv.JobOf(processing), testenv.JobOf(done),
		{ImageID: uuid.New(), Generation: 1}, {ImageID: pending.ID, Generation: 2},
	} {
		c.FileDeadLetter(testenv.Encode(t, j), "delivery_limit")
	}
	if n := c.Count("dead_letters"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	var wait float64
	var request string
	if err := c.DB.QueryRow(`SELECT extract(epoch FROM available_at - clock_timestamp()), request_id FROM outbox WHERE subject = $1`,
		pending.ID).Scan(&wait, &request); err != nil {
		t.Fatal(err)
	}
	if n := c.Count("outbox"); n != 1 || wait < 20 || wait > 30 || request != "r-job" {
		t.Errorf("%d jobs, the one of the pending image in %g s for %q", n, wait, request)
	}
	if got := c.Product(w.ID); got.Images[0].Status != "pending" || got.Images[1].Status != "processing" || got.Images[2].Status != "ready" {
		t.Errorf("%+v", got.Images)
	}
}

func TestDeadLettersGoWithTheirProduct(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	o := testenv.FailedOutcome(imaging.CodeSourceNotFound)
	o.Err.Detail = strings.Repeat("ä", 5000)
	c.Settle(c.Claim(w.Images[0], "w"), o)
	c.FileDeadLetter(testenv.Encode(t, testenv.JobOf(w.Images[0])), "rejected")
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if n := c.Count("dead_letters"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
