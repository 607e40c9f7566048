package product_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"vitrine/imaging"
	"vitrine/product"
)

type depth func() (int, error)

func (d depth) Depth(context.Context) (int, error) { return d() }

func (c *catalogue) reconcile(d depth) {
	c.t.Helper()
	if err := product.NewReconciler(c.store, d, quiet()).Pass(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func empty() (int, error) { return 0, nil }
func busy() (int, error)  { return 7, nil }
func gone() (int, error)  { return 0, errDown }

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

func TestReconcileFilesFailures(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source)
	for _, image := range w.Images {
		c.settle(c.claim(image, "w"), failure(imaging.CodeSourceNotFound))
	}
	c.exec(`UPDATE images SET settled_at = now() - interval '61 seconds' WHERE id = $1`, w.Images[0].ID)
	c.reconcile(empty)
	c.reconcile(empty)
	var reason, fingerprint string
	var payload []byte
	if err := c.db.QueryRow(`SELECT reason, fingerprint, payload FROM dead_letters`).Scan(&reason, &fingerprint, &payload); err != nil {
		t.Fatal(err)
	}
	j, err := imaging.DecodeJob(payload)
	if err != nil || j.ImageID != w.Images[0].ID || reason != "reconciled" || fingerprint != "source_not_found|fetch|a.example" {
		t.Errorf("%+v, %v, %s, %s", j, err, reason, fingerprint)
	}
	if n := c.count("dead_letters"); n != 1 || c.count("images WHERE dead_lettered") != 1 {
		t.Errorf("%d dead letters", n)
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
	c.exec(`INSERT INTO products (id, user_id, product_name, product_price)
		SELECT gen_random_uuid(), $1, 'Lamp', 1 FROM generate_series(1, 1200)`, c.user)
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
		g.Go(func() error { return product.NewReconciler(c.store, depth(empty), quiet()).Pass(t.Context()) })
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
	tx, err := c.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`SELECT pg_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' lost jobs', 0))`); err != nil {
		t.Fatal(err)
	}
	c.reconcile(empty)
	if n := c.count("outbox"); n != 0 {
		t.Errorf("%d jobs out of turn", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	run(t, product.NewReconciler(c.store, depth(empty), quiet()).Run)
	eventually(t, "all have a job", func() bool { return c.count("outbox") == 100 })
}
