package product_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"vitrine/imaging"
	"vitrine/product"
)

// remade is a queue with a backlog that was made some time ago.
type remade struct {
	depth
	ago time.Duration
}

func (q remade) Created() time.Time { return time.Now().Add(-q.ago) }

var gone = depth(func() (int, error) { return 0, errDown })

func TestReconcileExpiredLeases(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source, source, source)
	c.exec(`DELETE FROM outbox`)
	for _, image := range w.Images {
		c.claim(image, "w")
	}
	c.exec(`UPDATE images SET queued_at = now() - interval '1 hour', request_id = 'r-0'`)
	set := func(n int, lease, queued string) {
		c.exec(`UPDATE images SET lease_until = now() + $1::interval, queued_at = now() + $2::interval WHERE id = $3`,
			lease, queued, w.Images[n].ID)
	}
	set(0, "-3 seconds", "-31 seconds")
	set(1, "-3 seconds", "-20 seconds") // has a new job
	set(2, "-1 second", "-31 seconds")  // may be renewed in this moment
	set(3, "5 seconds", "-31 seconds")  // is being worked on
	c.reconcile(busy)
	var subject, payload, request string
	if err := c.db.QueryRow(`SELECT subject, payload, request_id FROM outbox`).Scan(&subject, &payload, &request); err != nil {
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
	c.reconcile(busy)
	set(0, "-60 seconds", "-60 seconds") // its job has not been sent yet
	c.reconcile(busy)
	if n := c.count("outbox"); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if claim := c.claim(w.Images[0], "w-2"); claim.Attempt != 2 {
		t.Errorf("%+v", claim)
	}
}

func TestReconcileLostJobs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		depth  depth
		age    string
		queued bool
	}{
		"queue empty":              {empty, "31 seconds", true},
		"queue empty, just sent":   {empty, "20 seconds", false},
		"queue busy":               {busy, "14 minutes", false},
		"queue busy for too long":  {busy, "16 minutes", true},
		"broker away":              {gone, "14 minutes", false},
		"broker away for too long": {gone, "16 minutes", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			w := c.create(source, source)
			c.exec(`DELETE FROM outbox WHERE subject = $1`, w.Images[0].ID) // the other one waits in the outbox
			c.exec(`UPDATE images SET queued_at = now() - $1::interval`, test.age)
			c.reconcile(test.depth)
			if n := c.count("outbox WHERE subject = $1", w.Images[0].ID); (n == 1) != test.queued {
				t.Errorf("%d jobs", n)
			}
			c.exec(`DELETE FROM outbox WHERE subject = $1`, w.Images[0].ID)
			c.reconcile(test.depth)
			if n := c.count("outbox"); n != 1 {
				t.Errorf("%d jobs after the second pass", n)
			}
			c.claim(w.Images[0], "w")
		})
	}
}

func TestReconcilePurgesKeys(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.exec(`INSERT INTO idempotency_keys (owner, key, request_hash, answer, expires_at) VALUES
		('a', 'old', sha256(''), '{}', now() - interval '1 second'), ('a', 'new', sha256(''), '{}', now() + interval '1 hour')`)
	c.reconcile(empty)
	var key string
	c.scan(&key, `SELECT key FROM idempotency_keys`)
	if n := c.count("idempotency_keys"); n != 1 || key != "new" {
		t.Errorf("%d keys, %s", n, key)
	}
}

// TestReconcileManyAtOnce has more images than one batch lose their jobs.
func TestReconcileManyAtOnce(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.exec(`INSERT INTO products (user_id, product_name, product_price)
		SELECT $1, 'Lamp', 1 FROM generate_series(1, 1200)`, c.user)
	c.exec(`INSERT INTO images (id, product_id, position, source, queued_at)
		SELECT gen_random_uuid(), id, 0, 'https://a.example/1.png', now() - interval '1 hour' FROM products`)
	c.reconcile(empty)
	if n := c.count("outbox"); n != 1200 {
		t.Errorf("%d jobs", n)
	}
}

func TestReconcilersTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	var sources []string
	for range 20 {
		sources = append(sources, source)
	}
	for range 5 {
		c.create(sources...)
	}
	c.exec(`DELETE FROM outbox`)
	c.exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	var g errgroup.Group
	for range 5 {
		g.Go(func() error {
			return product.NewReconciler(c.store, product.Steps(empty), testenv.Quiet()).Pass(t.Context())
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := c.count("outbox"); n != 100 {
		t.Errorf("%d jobs for 100 images", n)
	}
	// While another one is at it, a pass does nothing and does not wait.
	c.exec(`DELETE FROM outbox`)
	c.exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	end := c.turn("lost jobs")
	c.reconcile(empty)
	if n := c.count("outbox"); n != 0 {
		t.Errorf("%d jobs out of turn", n)
	}
	end()
	testenv.Run(t, product.NewReconciler(c.store, product.Steps(empty), testenv.Quiet()).Run)
	testenv.Eventually(t, "all have a job", func() bool { return c.count("outbox") == 100 })
}

// TestReconcileAfterTheQueueWasMade has messages be lost with a queue whose
// successor has a backlog already.
func TestReconcileAfterTheQueueWasMade(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source, source, source, source)
	age := func(n int, age string) {
		c.exec(`UPDATE images SET queued_at = now() - $1::interval WHERE id = $2`, age, w.Images[n].ID)
	}
	c.exec(`DELETE FROM outbox WHERE subject <> $1`, w.Images[1].ID)
	age(0, "21 seconds")
	age(1, "21 seconds") // has not been sent
	age(2, "19 seconds") // was sent to the new queue
	age(3, "14 minutes")
	c.claim(w.Images[4], "w") // has a worker
	age(4, "21 seconds")
	q := remade{busy, 20 * time.Second}
	c.reconcile(q)
	has := func(n int) bool { return c.count("outbox WHERE subject = $1", w.Images[n].ID) == 1 }
	if !has(0) || !has(3) || c.count("outbox") != 3 {
		t.Errorf("%d jobs: %t %t %t %t %t", c.count("outbox"), has(0), has(1), has(2), has(3), has(4))
	}
	// Sent again, they are in the new queue: that is the end of it.
	c.exec(`DELETE FROM outbox`)
	age(1, "1 second")
	c.reconcile(q)
	if n := c.count("outbox"); n != 0 {
		t.Errorf("%d jobs after the second pass", n)
	}
	c.claim(w.Images[0], "w")
}

// TestReconcileAfterTheQueueWasMadeOutOfTurn has the replica that alone knows of
// the new queue come when another one is at it.
func TestReconcileAfterTheQueueWasMadeOutOfTurn(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.create(source)
	c.exec(`DELETE FROM outbox`)
	c.exec(`UPDATE images SET queued_at = now() - interval '1 second'`)
	q := remade{busy, 0}
	end := c.turn("lost jobs")
	c.reconcile(q)
	if n := c.count("outbox"); n != 0 {
		t.Fatalf("%d jobs out of turn", n)
	}
	end()
	c.reconcile(q)
	if n := c.count("outbox"); n != 1 {
		t.Errorf("%d jobs in turn", n)
	}
}

// turn takes the turn at a step until end is called.
func (c *catalogue) turn(step string) (end func()) {
	c.t.Helper()
	tx, err := c.db.Begin()
	if err != nil {
		c.t.Fatal(err)
	}
	const q = `SELECT pg_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' ' || $1, 0))`
	if _, err := tx.Exec(q, step); err != nil {
		c.t.Fatal(err)
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
			c := newCatalogue(t)
			w := c.create(source, source)
			c.settle(c.claim(w.Images[0], "w"), failure(imaging.CodeSourceNotFound))
			c.exec(`UPDATE images SET queued_at = now() - interval '1 hour', settled_at = settled_at - interval '1 hour'`)
			c.exec(`DELETE FROM outbox`)
			c.exec(`INSERT INTO idempotency_keys (owner, key, request_hash, answer, expires_at)
				VALUES ('a', 'old', sha256(''), '{}', now() - interval '1 second')`)
			tx, err := c.db.Begin()
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
			err = product.NewReconciler(c.store, product.Steps(empty), testenv.Quiet()).Pass(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one of %q", err, test.want)
			}
			if n := c.count("outbox"); n != 1 {
				t.Errorf("%d jobs", n)
			}
			if n := c.count("idempotency_keys"); n != 0 {
				t.Errorf("%d keys", n)
			}
		})
	}
}

// TestReconcileLeavesLeasesAfterAnOutage shows that workers get the time to renew
// what they could not renew while the database was away.
func TestReconcileLeavesLeasesAfterAnOutage(t *testing.T) {
	t.Parallel()
	c, p := proxied(t)
	w := c.create(source, source)
	alive := c.claim(w.Images[0], "alive")
	c.claim(w.Images[1], "dead")
	c.exec(`DELETE FROM outbox`)
	r := product.NewReconciler(c.store, product.Steps(busy), testenv.Quiet())
	p.Refuse()
	wantErr(t, r.Pass(t.Context()), product.ErrUnavailable)
	failed := time.Now()
	for _, image := range w.Images {
		c.expire(image)
	}
	p.Accept()
	pass := func() {
		t.Helper()
		if err := r.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	if n := c.count("outbox"); n != 0 {
		t.Fatalf("%d jobs for images whose worker may live", n)
	}
	if err := c.jobs.Renew(t.Context(), alive, lease); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for c.count("outbox") == 0 && time.Since(failed) < time.Minute {
		<-tick.C
		pass()
	}
	if n := c.count("outbox WHERE subject = $1", w.Images[1].ID); n != 1 || c.count("outbox") != 1 {
		t.Errorf("%d jobs after %s, %d in all", n, time.Since(failed), c.count("outbox"))
	}
}

// TestReconcilerStartsWithoutLeases shows that a process which has just started
// leaves the leases alone, and nothing else.
func TestReconcilerStartsWithoutLeases(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source)
	c.claim(w.Images[0], "w")
	c.expire(w.Images[0])
	c.exec(`DELETE FROM outbox`)
	c.exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	testenv.Run(t, product.NewReconciler(c.store, product.Steps(empty), testenv.Quiet()).Run)
	testenv.Eventually(t, "the lost job is requeued", func() bool { return c.count("outbox") > 0 })
	if n := c.count("outbox WHERE subject = $1", w.Images[0].ID); n != 0 {
		t.Error("a lease was taken for expired")
	}
}
