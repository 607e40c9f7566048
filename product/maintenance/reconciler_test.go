package maintenance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/maintenance"
)

// createdQueue is a queue with a backlog that was made some time ago.
type createdQueue struct {
	testenv.QueueDepth
	ago time.Duration
}

func (q createdQueue) Created() time.Time { return time.Now().Add(-q.ago) }

var gone = testenv.QueueDepth(func() (int, error) { return 0, testenv.ErrDown })

func TestReconcileExpiredLeases(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source, testenv.Source)
	c.Exec(`DELETE FROM outbox`)
	for _, image := range w.Images {
		c.Claim(image, "w")
	}
	c.Exec(`UPDATE images SET queued_at = now() - interval '1 hour', request_id = 'r-0'`)
	set := func(n int, lease, queued string) {
		c.Exec(`UPDATE images SET lease_until = now() + $1::interval, queued_at = now() + $2::interval WHERE id = $3`,
			lease, queued, w.Images[n].ID)
	}
	set(0, "-3 seconds", "-31 seconds")
	set(1, "-3 seconds", "-20 seconds") // has a new job
	set(2, "-1 second", "-31 seconds")  // may be renewed in this moment
	set(3, "5 seconds", "-31 seconds")  // is being worked on
	c.Reconcile(testenv.BusyQueue)
	var subject, payload, request string
	if err := c.DB.QueryRow(`SELECT subject, payload, request_id FROM outbox`).Scan(&subject, &payload, &request); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(payload), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"image_id": w.Images[0].ID.String(), "generation": 1.0}
	if diff := cmp.Diff(want, got); diff != "" || subject != w.Images[0].ID.String() || request != "r-0" {
		t.Error(subject, request, diff)
	}
	c.Reconcile(testenv.BusyQueue)
	set(0, "-60 seconds", "-60 seconds") // its job has not been sent yet
	c.Reconcile(testenv.BusyQueue)
	if n := c.Count("outbox"); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if claim := c.Claim(w.Images[0], "w-2"); claim.Attempt != 2 {
		t.Errorf("%+v", claim)
	}
}

func TestReconcileLostJobs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		depth  testenv.QueueDepth
		age    string
		queued bool
	}{
		"queue empty":              {testenv.EmptyQueue, "31 seconds", true},
		"queue empty, just sent":   {testenv.EmptyQueue, "20 seconds", false},
		"queue busy":               {testenv.BusyQueue, "14 minutes", false},
		"queue busy for too long":  {testenv.BusyQueue, "16 minutes", true},
		"broker away":              {gone, "14 minutes", false},
		"broker away for too long": {gone, "16 minutes", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct(testenv.Source, testenv.Source)
			c.Exec(`DELETE FROM outbox WHERE subject = $1`, w.Images[0].ID) // the other one waits in the outbox
			c.Exec(`UPDATE images SET queued_at = now() - $1::interval`, test.age)
			c.Reconcile(test.depth)
			if n := c.Count("outbox WHERE subject = $1", w.Images[0].ID); (n == 1) != test.queued {
				t.Errorf("%d jobs", n)
			}
			c.Exec(`DELETE FROM outbox WHERE subject = $1`, w.Images[0].ID)
			c.Reconcile(test.depth)
			if n := c.Count("outbox"); n != 1 {
				t.Errorf("%d jobs after the second pass", n)
			}
			c.Claim(w.Images[0], "w")
		})
	}
}

func TestReconcilePurgesKeys(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.Exec(`INSERT INTO idempotency_keys (owner, key, request_hash, answer, expires_at) VALUES
		('a', 'old', sha256(''), '{}', now() - interval '1 second'), ('a', 'new', sha256(''), '{}', now() + interval '1 hour')`)
	c.Reconcile(testenv.EmptyQueue)
	var key string
	c.Scan(&key, `SELECT key FROM idempotency_keys`)
	if n := c.Count("idempotency_keys"); n != 1 || key != "new" {
		t.Errorf("%d keys, %s", n, key)
	}
}

// TestReconcileManyAtOnce has more images than one batch lose their jobs.
func TestReconcileManyAtOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.Exec(`INSERT INTO products (user_id, product_name, product_price)
		SELECT $1, 'Lamp', 1 FROM generate_series(1, 1200)`, c.User)
	c.Exec(`INSERT INTO images (id, product_id, position, source, queued_at)
		SELECT gen_random_uuid(), id, 0, 'https://a.example/1.png', now() - interval '1 hour' FROM products`)
	c.Reconcile(testenv.EmptyQueue)
	if n := c.Count("outbox"); n != 1200 {
		t.Errorf("%d jobs", n)
	}
}

func TestReconcilersTakeTurns(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	var sources []string
	for range 20 {
		sources = append(sources, testenv.Source)
	}
	for range 5 {
		c.NewProduct(sources...)
	}
	c.Exec(`DELETE FROM outbox`)
	c.Exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	var g errgroup.Group
	for range 5 {
		g.Go(func() error {
			return maintenance.NewReconciler(c.Store, maintenance.Steps(testenv.EmptyQueue), testenv.Quiet()).Pass(t.Context())
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := c.Count("outbox"); n != 100 {
		t.Errorf("%d jobs for 100 images", n)
	}
	// While another one is at it, a pass does nothing and does not wait.
	c.Exec(`DELETE FROM outbox`)
	c.Exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	end := turn(c, "lost jobs")
	c.Reconcile(testenv.EmptyQueue)
	if n := c.Count("outbox"); n != 0 {
		t.Errorf("%d jobs out of turn", n)
	}
	end()
	testenv.Run(t, maintenance.NewReconciler(c.Store, maintenance.Steps(testenv.EmptyQueue), testenv.Quiet()).Run)
	testenv.Eventually(t, "all have a job", func() bool { return c.Count("outbox") == 100 })
}

// TestReconcileAfterTheQueueWasMade has messages be lost with a queue whose
// successor has a backlog already.
func TestReconcileAfterTheQueueWasMade(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source, testenv.Source, testenv.Source)
	age := func(n int, age string) {
		c.Exec(`UPDATE images SET queued_at = now() - $1::interval WHERE id = $2`, age, w.Images[n].ID)
	}
	c.Exec(`DELETE FROM outbox WHERE subject <> $1`, w.Images[1].ID)
	age(0, "21 seconds")
	age(1, "21 seconds") // has not been sent
	age(2, "19 seconds") // was sent to the new queue
	age(3, "14 minutes")
	c.Claim(w.Images[4], "w") // has a worker
	age(4, "21 seconds")
	q := createdQueue{testenv.BusyQueue, 20 * time.Second}
	c.Reconcile(q)
	has := func(n int) bool { return c.Count("outbox WHERE subject = $1", w.Images[n].ID) == 1 }
	if !has(0) || !has(3) || c.Count("outbox") != 3 {
		t.Errorf("%d jobs: %t %t %t %t %t", c.Count("outbox"), has(0), has(1), has(2), has(3), has(4))
	}
	// Sent again, they are in the new queue: that is the end of it.
	c.Exec(`DELETE FROM outbox`)
	age(1, "1 second")
	c.Reconcile(q)
	if n := c.Count("outbox"); n != 0 {
		t.Errorf("%d jobs after the second pass", n)
	}
	c.Claim(w.Images[0], "w")
}

// TestReconcileAfterTheQueueWasMadeOutOfTurn has the replica that alone knows of
// the new queue come when another one is at it.
func TestReconcileAfterTheQueueWasMadeOutOfTurn(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.NewProduct(testenv.Source)
	c.Exec(`DELETE FROM outbox`)
	c.Exec(`UPDATE images SET queued_at = now() - interval '1 second'`)
	q := createdQueue{testenv.BusyQueue, 0}
	end := turn(c, "lost jobs")
	c.Reconcile(q)
	if n := c.Count("outbox"); n != 0 {
		t.Fatalf("%d jobs out of turn", n)
	}
	end()
	c.Reconcile(q)
	if n := c.Count("outbox"); n != 1 {
		t.Errorf("%d jobs in turn", n)
	}
}

// turn takes the turn at a step until end is called.
func turn(c *testenv.Environment, step string) (end func()) {
	c.T.Helper()
	tx, err := c.DB.Begin()
	if err != nil {
		c.T.Fatal(err)
	}
	const q = `SELECT pg_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' ' || $1, 0))`
	if _, err := tx.Exec(q, step); err != nil {
		c.T.Fatal(err)
	}
	return func() { _ = tx.Rollback() }
}

// TestReconcileGoesOnAfterAFailure has single steps fail: the others are made.
func TestReconcileGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ harm, want string }{
		"defect":  {`ALTER TABLE images RENAME COLUMN lease_until TO leased_until`, "expired leases"},
		"lock":    {`LOCK TABLE uploads`, "old uploads"},
		"neither": {`SELECT 1`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := c.NewProduct(testenv.Source, testenv.Source)
			c.Settle(c.Claim(w.Images[0], "w"), testenv.FailedOutcome(imaging.CodeSourceNotFound))
			c.Exec(`UPDATE images SET queued_at = now() - interval '1 hour', settled_at = settled_at - interval '1 hour'`)
			c.Exec(`DELETE FROM outbox`)
			c.Exec(`INSERT INTO idempotency_keys (owner, key, request_hash, answer, expires_at)
				VALUES ('a', 'old', sha256(''), '{}', now() - interval '1 second')`)
			tx, err := c.DB.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.Exec(test.harm); err != nil {
				t.Fatal(err)
			}
			if name == "defect" {
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			err = maintenance.NewReconciler(c.Store, maintenance.Steps(testenv.EmptyQueue), testenv.Quiet()).Pass(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one of %q", err, test.want)
			}
			if n := c.Count("outbox"); n != 1 {
				t.Errorf("%d jobs", n)
			}
			if n := c.Count("idempotency_keys"); n != 0 {
				t.Errorf("%d keys", n)
			}
		})
	}
}

// TestReconcileLeavesLeasesAfterAnOutage shows that workers get the time to renew
// what they could not renew while the database was away.
func TestReconcileLeavesLeasesAfterAnOutage(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w := c.NewProduct(testenv.Source, testenv.Source)
	alive := c.Claim(w.Images[0], "alive")
	c.Claim(w.Images[1], "dead")
	c.Exec(`DELETE FROM outbox`)
	r := maintenance.NewReconciler(c.Store, maintenance.Steps(testenv.BusyQueue), testenv.Quiet())
	p.Refuse()
	testenv.WantErr(t, r.Pass(t.Context()), product.ErrUnavailable)
	failed := time.Now()
	for _, image := range w.Images {
		c.ExpireLease(image)
	}
	p.Accept()
	pass := func() {
		t.Helper()
		if err := r.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	if n := c.Count("outbox"); n != 0 {
		t.Fatalf("%d jobs for images whose worker may live", n)
	}
	if err := c.Jobs.Renew(t.Context(), alive, testenv.Lease); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for c.Count("outbox") == 0 && time.Since(failed) < time.Minute {
		<-tick.C
		pass()
	}
	if n := c.Count("outbox WHERE subject = $1", w.Images[1].ID); n != 1 || c.Count("outbox") != 1 {
		t.Errorf("%d jobs after %s, %d in all", n, time.Since(failed), c.Count("outbox"))
	}
}

// TestReconcilerStartsWithoutLeases shows that a process which has just started
// leaves the leases alone, and nothing else.
func TestReconcilerStartsWithoutLeases(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source)
	c.Claim(w.Images[0], "w")
	c.ExpireLease(w.Images[0])
	c.Exec(`DELETE FROM outbox`)
	c.Exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	testenv.Run(t, maintenance.NewReconciler(c.Store, maintenance.Steps(testenv.EmptyQueue), testenv.Quiet()).Run)
	testenv.Eventually(t, "the lost job is requeued", func() bool { return c.Count("outbox") > 0 })
	if n := c.Count("outbox WHERE subject = $1", w.Images[0].ID); n != 0 {
		t.Error("a lease was taken for expired")
	}
}
