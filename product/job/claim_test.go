package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
)

func TestClaim(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	got := c.Claim(w.Images[0], "w-1")
	want := imaging.Claim{Job: testenv.JobOf(w.Images[0]), ProductID: w.ID, ObjectKey: c.ObjectKey(w.ID), Source: testenv.Source, Attempt: 1, Holder: "w-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var left float64
	c.Scan(&left, `SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM images`)
	if left <= 0 || left > testenv.Lease.Seconds() {
		t.Errorf("the lease ends in %g s", left)
	}
}

// TestClaimAgain has a worker claim what it has already, as it does when it got no
// answer the first time.
func TestClaimAgain(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]string{"lease runs": "1 second", "lease has run out": "-1 second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct(testenv.Source)
			first := c.Claim(w.Images[0], "w-1")
			c.Exec(`UPDATE images SET lease_until = clock_timestamp() + $1::interval`, left)
			version := c.Product(w.ID).Version
			if diff := cmp.Diff(first, c.Claim(w.Images[0], "w-1")); diff != "" {
				t.Error(diff)
			}
			got := c.Product(w.ID)
			if got.Version != version || got.Images[0].Attempts != 1 {
				t.Errorf("version %d, was %d; %d attempts", got.Version, version, got.Images[0].Attempts)
			}
			if n := c.Count("images WHERE lease_until > clock_timestamp() + interval '10 seconds'"); n != 1 {
				t.Error("the lease was not renewed")
			}
			if n := c.Count("image_attempts"); n != 0 {
				t.Errorf("%d attempts were lost", n)
			}
			_, err := c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w-2", testenv.Lease)
			testenv.WantErr(t, err, imaging.ErrNothingToDo)
			c.Settle(first, testenv.ReadyOutcome(first, testenv.Digest(1)))
		})
	}
}

// TestClaimAfterUnknownCommit has the answer to a claim's COMMIT get lost.
func TestClaimAfterUnknownCommit(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w := c.NewProduct(testenv.Source)
	p.StallAfter("COMMIT")
	_, err := c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w", testenv.Lease)
	testenv.WantErr(t, err, product.ErrUnavailable)
	p.Resume()
	testenv.Eventually(t, "the claim is committed, without which the test shows nothing", func() bool {
		return c.Count("images WHERE status = 'processing'") == 1
	})
	testenv.Eventually(t, "the database answers", func() bool { return c.Store.Check(t.Context()) == nil })
	claim := c.Claim(w.Images[0], "w")
	if claim.Attempt != 1 {
		t.Errorf("%+v", claim)
	}
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	if got := c.Product(w.ID).Images[0]; got.Status != "ready" || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
}

// TestClaimOfWhatChangesMeanwhile has images change after the claim looked and
// before it got the lock.
func TestClaimOfWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"new generation": `UPDATE images SET generation = 2`,
		"put off":        `UPDATE images SET queued_at = now() + interval '1 minute'`,
		"gone":           `DELETE FROM images`,
		"product gone":   `DELETE FROM products`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct(testenv.Source)
			tx, err := c.DB.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			var pid int
			if err := tx.QueryRow(`SELECT pg_backend_pid() FROM products WHERE id = $1 FOR UPDATE`, w.ID).Scan(&pid); err != nil {
				t.Fatal(err)
			}
			claimed := make(chan error, 1)
			go func() {
				claimed <- testenv.ErrOf(c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w", testenv.Lease))
			}()
			testenv.Eventually(t, "the claim waits", func() bool {
				return c.Count("pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))", pid) > 0
			})
			if _, err := tx.Exec(change); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			testenv.WantErr(t, testenv.Receive(t, "a value", claimed), imaging.ErrNothingToDo)
		})
	}
}

// TestForeignRequestID has a message carry an id that no text column takes.
func TestForeignRequestID(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	j := testenv.JobOf(w.Images[0])
	j.RequestID = "a\x00b\xff"
	claim, err := c.Jobs.Claim(t.Context(), j, "w", testenv.Lease)
	if err != nil {
		t.Fatal(err)
	}
	o := testenv.FailedOutcome(imaging.CodeFetchTimeout)
	o.Retry = true
	c.Settle(claim, o)
	var request string
	c.Scan(&request, `SELECT request_id FROM outbox WHERE request_id <> ''`)
	if request != "ab\uFFFD" {
		t.Errorf("%q", request)
	}
}

func TestClaimRefusals(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source, testenv.Source, testenv.Source)
	version := func() int64 { return c.Product(w.ID).Version }
	refused := func(name string, j imaging.Job, want error) {
		t.Helper()
		before := version()
		_, err := c.Jobs.Claim(t.Context(), j, "w-2", testenv.Lease)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if got := version(); got != before {
			t.Errorf("%s: version %d, was %d", name, got, before)
		}
	}
	refused("unknown", imaging.Job{ImageID: uuid.New(), Generation: 1}, imaging.ErrNothingToDo)
	refused("later generation", imaging.Job{ImageID: w.Images[0].ID, Generation: 2}, imaging.ErrNothingToDo)
	c.Claim(w.Images[0], "w-1")
	refused("being worked on", testenv.JobOf(w.Images[0]), imaging.ErrNothingToDo)
	done := c.Claim(w.Images[1], "w-1")
	c.Settle(done, testenv.ReadyOutcome(done, testenv.Digest(1)))
	refused("ready", testenv.JobOf(w.Images[1]), imaging.ErrNothingToDo)
	again := testenv.JobOf(w.Images[1])
	again.Reprocess = true
	refused("ready, nothing due", again, imaging.ErrNothingToDo)
	again.ImageID = w.Images[3].ID
	refused("not ready yet", again, imaging.ErrNothingToDo)
	bad := c.Claim(w.Images[2], "w-1")
	c.Settle(bad, testenv.FailedOutcome(imaging.CodeSourceNotFound))
	refused("failed", testenv.JobOf(w.Images[2]), imaging.ErrNothingToDo)
	c.Exec(`UPDATE images SET queued_at = now() + interval '1 minute' WHERE id = $1`, w.Images[3].ID)
	refused("not due", testenv.JobOf(w.Images[3]), imaging.ErrNothingToDo)
	c.Exec(`UPDATE images SET generation = 2 WHERE id = $1`, w.Images[4].ID)
	refused("earlier generation", testenv.JobOf(w.Images[4]), imaging.ErrNothingToDo)
}

func TestClaimIsWonOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	for round := 1; round <= 2; round++ { // the second one takes over an expired lease
		const n = 20
		errs := make(chan error, n)
		for i := range n {
			go func() {
				_, err := c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), fmt.Sprintf("w-%d-%d", round, i), testenv.Lease)
				errs <- err
			}()
		}
		won := 0
		for range n {
			switch err := testenv.Receive(t, "a value", errs); {
			case err == nil:
				won++
			case !errors.Is(err, imaging.ErrNothingToDo):
				t.Error(err)
			}
		}
		if got := c.Product(w.ID).Images[0]; won != 1 || got.Attempts != round {
			t.Errorf("round %d: %d won, %d attempts", round, won, got.Attempts)
		}
		c.ExpireLease(w.Images[0])
	}
}

func TestTakeOver(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	sleeper := c.Claim(w.Images[0], "w-1")
	c.ExpireLease(w.Images[0])
	// Nobody took over yet: the sleeper may go on.
	if err := c.Jobs.Renew(t.Context(), sleeper, testenv.Lease); err != nil {
		t.Error(err)
	}
	c.ExpireLease(w.Images[0])
	second := c.Claim(w.Images[0], "w-2")
	if second.Attempt != 2 {
		t.Errorf("attempt %d", second.Attempt)
	}
	var outcome, worker, code string
	if err := c.DB.QueryRow(`SELECT outcome, worker, code FROM image_attempts`).Scan(&outcome, &worker, &code); err != nil {
		t.Fatal(err)
	}
	if outcome != "lost" || worker != "w-1" || code != "worker_crashed" {
		t.Errorf("%s of %s, %s", outcome, worker, code)
	}
	before := c.Product(w.ID)
	testenv.WantErr(t, c.Jobs.Renew(t.Context(), sleeper, testenv.Lease), imaging.ErrLeaseLost)
	_, err := c.Jobs.Reserve(t.Context(), sleeper, testenv.Digest(9))
	testenv.WantErr(t, err, imaging.ErrLeaseLost)
	testenv.WantErr(t, c.Jobs.Settle(t.Context(), sleeper, testenv.ReadyOutcome(sleeper, testenv.Digest(9))), imaging.ErrLeaseLost)
	testenv.WantErr(t, c.Jobs.Settle(t.Context(), sleeper, testenv.FailedOutcome(imaging.CodeInternal)), imaging.ErrLeaseLost)
	retry := testenv.FailedOutcome(imaging.CodeFetchTimeout)
	retry.Retry = true
	testenv.WantErr(t, c.Jobs.Settle(t.Context(), sleeper, retry), imaging.ErrLeaseLost)
	if diff := cmp.Diff(before, c.Product(w.ID)); diff != "" {
		t.Errorf("a late write changed something: %s", diff)
	}
	if n := c.Count("image_attempts"); n != 1 {
		t.Errorf("%d attempts on record", n)
	}
	c.Settle(second, testenv.ReadyOutcome(second, testenv.Digest(1)))
	testenv.WantErr(t, c.Jobs.Settle(t.Context(), second, testenv.ReadyOutcome(second, testenv.Digest(1))), imaging.ErrLeaseLost)
}

func TestSettleReady(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, "https://a.example/2.png")
	// The second image is ready first: the order of the product counts.
	for i, n := range []int{1, 0} {
		claim := c.Claim(w.Images[n], "w")
		if _, err := c.Jobs.Reserve(t.Context(), claim, testenv.Digest(n)); err != nil {
			t.Fatal(err)
		}
		c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(n)))
		if got := c.Product(w.ID); len(got.Compressed) != i+1 {
			t.Errorf("%v", got.Compressed)
		}
	}
	s, err := c.Get(t.Context(), product.Everything(), w.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Compressed []string         `json:"compressed_product_images"`
		Images     []map[string]any `json:"images"`
		Status     string           `json:"image_status"`
	}
	if err := json.Unmarshal(s.Data, &got); err != nil {
		t.Fatal(err)
	}
	base := "https://cdn.example/products/" + c.ObjectKey(w.ID).String() + "/" + testenv.Digest(0) + "/"
	variant := func(name string, width, height, bytes float64) any {
		return map[string]any{"name": name, "url": base + name + ".jpg", "width": width, "height": height, "bytes": bytes, "format": "jpeg"}
	}
	want := map[string]any{
		"id": w.Images[0].ID.String(), "position": 0.0, "source": testenv.Source, "alt": nil, "focal": nil, "status": "ready", "error": nil,
		"url": base + "main.jpg", "width": 1600.0, "height": 800.0, "bytes": 900.0, "format": "jpeg", "placeholder": "1QcSHQRnh493V4dIh4eXh1h4kJUI", "average_color": "#12ab9f", "animated": true,
		"variants": []any{variant("main", 1600, 800, 900), variant("small", 200, 100, 90)}, "attempts": 1.0,
	}
	if diff := cmp.Diff(want, got.Images[0]); diff != "" {
		t.Error(diff)
	}
	if got.Status != "ready" || got.Compressed[0] != base+"main.jpg" {
		t.Errorf("%s %v", got.Status, got.Compressed)
	}
	var format, stage string
	var bytes, width, ms int
	if err := c.DB.QueryRow(`SELECT i.format, i.source_bytes, i.width, a.stage, a.duration_ms FROM images i
		JOIN image_attempts a ON a.image_id = i.id WHERE i.position = 0 AND a.outcome = 'ready' AND a.request_id = 'r-job'`).
		Scan(&format, &bytes, &width, &stage, &ms); err != nil {
		t.Fatal(err)
	}
	if format != "png" || bytes != 5000 || width != 2000 || stage != "store" || ms != 1500 {
		t.Error(format, bytes, width, stage, ms)
	}
}

func TestSettleFailed(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, "https://a.example/2.png")
	claim := c.Claim(w.Images[0], "w")
	o := testenv.FailedOutcome(imaging.CodeSourceUnavailable)
	o.Err.Detail, o.Err.Transient = "answered \x00\xff", true
	c.Settle(claim, o)
	got := c.Product(w.ID)
	if got.ImageStatus != "pending" || got.Images[0].Status != "failed" || got.Compressed != nil {
		t.Errorf("%+v", got)
	}
	e := got.Images[0].Error
	if e == nil || e.Code != "source_unavailable" || e.Detail != "answered \uFFFD" || !e.Retryable {
		t.Errorf("%+v", e)
	}
	claim = c.Claim(w.Images[1], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(2)))
	if got := c.Product(w.ID); got.ImageStatus != "partial" {
		t.Errorf("%+v", got)
	}
	if n := c.Count("image_attempts WHERE outcome = 'failed' AND code = 'source_unavailable' AND stage = 'fetch'"); n != 1 {
		t.Errorf("%d attempts on record", n)
	}
}

// TestSettleFailedWithAHostThatIsNoText has the host of a source decode to bytes that PostgreSQL
// cannot store.
func TestSettleFailedWithAHostThatIsNoText(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct("http://%ff.example/1.png")
	c.Settle(c.Claim(w.Images[0], "w"), testenv.FailedOutcome(imaging.CodeSourceUnavailable))
	if n := c.Count("dead_letters WHERE image_id = $1 AND host = $2", w.Images[0].ID, "\uFFFD.example"); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

func TestSettleRetry(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	image := w.Images[0]
	for i, step := range []struct {
		ours     bool
		in       time.Duration
		attempts int
		wait     time.Duration
	}{
		{false, 90 * time.Second, 1, 90 * time.Second},
		{true, 5 * time.Second, 1, 5 * time.Second}, // does not count
		{true, 5 * time.Second, 1, 10 * time.Second},
		{true, 5 * time.Second, 1, 20 * time.Second},
		{true, 40 * time.Second, 1, time.Minute}, // not beyond a minute
		{true, 2 * time.Minute, 1, 2 * time.Minute},
		{true, 0, 1, 0}, // handed back at a shutdown
		{false, time.Second, 2, time.Second},
		{true, 5 * time.Second, 2, 5 * time.Second}, // begins anew
	} {
		c.Exec(`DELETE FROM outbox`)
		c.Exec(`UPDATE images SET queued_at = now()`)
		claim := c.Claim(image, fmt.Sprint("w-", i))
		o := testenv.FailedOutcome(imaging.CodeStoreUnavailable)
		o.Retry, o.RetryIn, o.Err.Ours = true, step.in, step.ours
		c.Settle(claim, o)
		if got := c.Product(w.ID).Images[0]; got.Status != "pending" || got.Attempts != step.attempts || got.Error != nil {
			t.Errorf("step %d: %+v", i, got)
		}
		var wait float64
		var request string
		if err := c.DB.QueryRow(`SELECT extract(epoch FROM available_at - clock_timestamp()), request_id FROM outbox
			WHERE kind = 'image_job' AND subject = $1`, image.ID).Scan(&wait, &request); err != nil {
			t.Fatal(err)
		}
		if d := step.wait.Seconds() - wait; d < 0 || d > 3 || request != "r-job" {
			t.Errorf("step %d: due in %g s for %q, want %s", i, wait, request, step.wait)
		}
		var early bool
		c.Scan(&early, `SELECT o.available_at < i.queued_at FROM outbox o JOIN images i ON i.id = o.subject`)
		if early {
			t.Errorf("step %d: the job is due before it can be claimed", i)
		}
	}
	if n := c.Count("image_attempts WHERE outcome = 'handed_back'"); n != 7 {
		t.Errorf("%d attempts handed back", n)
	}
	if n := c.Count("image_attempts WHERE outcome = 'retry'"); n != 2 {
		t.Errorf("%d attempts to be retried", n)
	}
}

func TestSettleRefusesNonsense(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	claim := c.Claim(w.Images[0], "w")
	both := testenv.ReadyOutcome(claim, testenv.Digest(1))
	both.Err = testenv.FailedOutcome(imaging.CodeInternal).Err
	none := testenv.ReadyOutcome(claim, testenv.Digest(1))
	none.Result.Variants = nil
	for _, o := range []imaging.Outcome{{}, both, none} {
		if err := c.Jobs.Settle(t.Context(), claim, o); err == nil {
			t.Errorf("%+v was settled", o)
		}
	}
	if got := c.Product(w.ID).Images[0]; got.Status != "processing" {
		t.Errorf("%+v", got)
	}
}

func TestAttemptsKeptAreBounded(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	for i := range 23 {
		claim := c.Claim(w.Images[0], fmt.Sprint("w-", i))
		o := testenv.FailedOutcome(imaging.CodeFetchTimeout)
		o.Retry = true
		c.Settle(claim, o)
	}
	var first string
	c.Scan(&first, `SELECT worker FROM image_attempts ORDER BY id LIMIT 1`)
	if n := c.Count("image_attempts"); n != 20 || first != "w-3" {
		t.Errorf("%d attempts from %s", n, first)
	}
}

func TestImageGoneWhileWorkedOn(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	claim := c.Claim(w.Images[0], "w")
	if _, err := c.Jobs.Reserve(t.Context(), claim, testenv.Digest(1)); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	testenv.WantErr(t, c.Jobs.Renew(t.Context(), claim, testenv.Lease), imaging.ErrLeaseLost)
	testenv.WantErr(t, testenv.ErrOf(c.Jobs.Reserve(t.Context(), claim, testenv.Digest(1))), imaging.ErrLeaseLost)
	testenv.WantErr(t, c.Jobs.Settle(t.Context(), claim, testenv.ReadyOutcome(claim, testenv.Digest(1))), imaging.ErrLeaseLost)
	_, err := c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w-2", testenv.Lease)
	testenv.WantErr(t, err, imaging.ErrNothingToDo)
	// Its worker may still be storing: the objects go when it has stopped.
	var wait float64
	c.Scan(&wait, `SELECT extract(epoch FROM available_at - now()) FROM outbox WHERE kind = 'delete_objects'`)
	if wait < 30 {
		t.Errorf("objects are deleted in %g s", wait)
	}
}

func TestReserveGivesUpTheOldDigest(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	claim := c.Claim(w.Images[0], "w")
	for _, n := range []int{1, 1, 2} {
		if _, err := c.Jobs.Reserve(t.Context(), claim, testenv.Digest(n)); err != nil {
			t.Fatal(err)
		}
	}
	var sha256 string
	c.Scan(&sha256, `SELECT payload ->> 'sha256' FROM outbox WHERE kind = 'delete_objects'`)
	if n := c.Count("outbox WHERE kind = 'delete_objects'"); n != 1 || sha256 != testenv.Digest(1) {
		t.Errorf("%d deletions, of %s", n, sha256)
	}
}

// What a source's next answer can be asked for by stands with the image, and goes
// with the next answer that has none.
func TestSettleKeepsValidators(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	for _, want := range []imaging.Validators{{ETag: `W/"1"`, LastModified: "Tue, 03 Mar 2026 10:00:00 GMT"}, {}} {
		claim := c.Claim(w.Images[0], "w")
		o := testenv.ReadyOutcome(claim, testenv.Digest(1))
		o.Result.Validators = want
		c.Settle(claim, o)
		var got imaging.Validators
		row := c.DB.QueryRow(`SELECT coalesce(source_etag, ''), coalesce(source_modified, '') FROM images WHERE source_etag <> '' OR source_etag IS NULL`)
		if err := row.Scan(&got.ETag, &got.LastModified); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
		c.Exec(`UPDATE images SET status = 'pending'`)
	}
}
