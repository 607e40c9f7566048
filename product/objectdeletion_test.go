package product_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"vitrine/bench/testenv"

	"vitrine/product"
	"vitrine/product/producttest"
)

func TestDeletionRelay(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, "https://a.example/2.png", "https://a.example/3.png")
	for i, image := range w.Images {
		claim := c.claim(image, "w")
		c.settle(claim, ready(claim, digest(min(i, 1)))) // the last two have the same content
	}
	failures := 1
	d := deleter{seen: make(chan string, 10), f: func() error {
		if failures--; failures >= 0 {
			return errDown
		}
		return nil
	}}
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run)
	// What another image still has stays.
	c.setImages(w.ID, source, "https://a.example/2.png")
	testenv.Eventually(t, "the deletion is done", func() bool { return c.count("outbox WHERE kind = 'delete_objects'") == 0 })
	if len(d.seen) != 0 {
		t.Errorf("%s was deleted", <-d.seen)
	}
	c.setImages(w.ID, source)
	prefix := "products/" + c.objectKey(w.ID).String() + "/"
	if got := testenv.Receive(t, "a value", d.seen); got != prefix+digest(1)+"/" {
		t.Errorf("%s was deleted", got)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Receive(t, "a value", d.seen); got != prefix+digest(0)+"/" {
		t.Errorf("%s was deleted", got)
	}
}

// TestReserveWaitsForDeletion shows that nothing is stored under a digest while
// its objects are being deleted, and nothing deleted once it is reserved.
func TestReserveWaitsForDeletion(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	claim := c.claim(w.Images[0], "w")
	payload, err := json.Marshal(map[string]any{"object_key": claim.ObjectKey, "sha256": digest(1)})
	if err != nil {
		t.Fatal(err)
	}
	queue := func() {
		c.exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('delete_objects', $1, $2)`, claim.ObjectKey, string(payload))
	}
	begun, end := make(chan struct{}), make(chan struct{})
	d := deleter{seen: make(chan string, 10), f: func() error {
		close(begun)
		<-end
		return nil
	}}
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run)
	queue()
	testenv.Receive(t, "a value", begun)
	reserved := make(chan error, 1)
	go func() { reserved <- second(c.jobs.Reserve(t.Context(), claim, digest(1))) }()
	testenv.Eventually(t, "the reservation waits", func() bool {
		return c.count(`pg_locks AS waiting WHERE NOT granted AND locktype = 'advisory' AND
			(classid, objid) = (hashtextextended($1, 0) >> 32 & 4294967295, hashtextextended($1, 0) & 4294967295)`,
			fmt.Sprintf("products/%s/%s/", claim.ObjectKey, digest(1))) > 0
	})
	select {
	case err := <-reserved:
		t.Fatalf("reserved in the middle of the deletion: %v", err)
	default:
	}
	close(end)
	if err := testenv.Receive(t, "a value", reserved); err != nil {
		t.Fatal(err)
	}
	testenv.Receive(t, "a value", d.seen)
	// Once reserved it is safe: the handler would panic on a second begin.
	queue()
	testenv.Eventually(t, "the second deletion is done", func() bool { return c.count("outbox WHERE kind = 'delete_objects'") == 0 })
	if len(d.seen) != 0 {
		t.Error("reserved objects were deleted")
	}
}

// reservedWhileDeleting has the deletion of a digest's objects lose its session,
// and with it the lock, and a worker store the same objects before it ends.
func (c *catalogue) reservedWhileDeleting(w wire) (lose func()) {
	claim := c.claim(w.Images[0], "w")
	c.exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('delete_objects', $1, jsonb_build_object('object_key', $1::uuid, 'sha256', $2::text))`,
		claim.ObjectKey, digest(1))
	jobs := newReplica(producttest.Open(c.t, c.dsn), c.cache).jobs
	return func() {
		testenv.Eventually(c.t, "the worker reserves", func() bool { return second(jobs.Reserve(c.t.Context(), claim, digest(1))) == nil })
		if err := jobs.Settle(c.t.Context(), claim, ready(claim, digest(1))); err != nil {
			c.t.Error(err)
		}
	}
}

// remade waits until the image of w is about to be made again, and checks that
// everybody can see it.
func (c *catalogue) remade(w wire) {
	c.t.Helper()
	testenv.Eventually(c.t, "the image begins anew", func() bool {
		return c.count(`images WHERE status = 'pending' AND generation = 2 AND attempts = 0 AND lease_holder IS NULL`) == 1
	})
	if n := c.count(`outbox WHERE kind = 'image_job' AND payload ->> 'generation' = '2'`); n != 1 {
		c.t.Errorf("%d jobs", n)
	}
	testenv.Eventually(c.t, "the deletion is done", func() bool { return c.count("outbox WHERE kind = 'delete_objects'") == 0 })
	testenv.Run(c.t, product.NewInvalidationRelay(c.outbox, c.cache, nil, testenv.Quiet()).Run)
	testenv.Eventually(c.t, "clients see it", func() bool { return c.get(w.ID).Images[0].Status == "pending" })
	if got := c.get(w.ID); got.Compressed != nil || got.Images[0].URL != nil || got.Version != 4 {
		c.t.Errorf("%+v", got)
	}
	j := job(w.Images[0])
	j.Generation = 2
	again, err := c.jobs.Claim(c.t.Context(), j, "w-2", lease)
	if err != nil {
		c.t.Fatal(err)
	}
	c.settle(again, ready(again, digest(1)))
	if got := c.get(w.ID); len(got.Compressed) != 1 {
		c.t.Errorf("%+v", got)
	}
}

// TestDeletionLosesItsSession has another process take over the row, too, and find
// nothing to delete: only who deleted can know what it has done.
func TestDeletionLosesItsSession(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	store := c.reservedWhileDeleting(w)
	d := deleter{seen: make(chan string, 10), f: func() error {
		c.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks
			WHERE locktype = 'advisory' AND granted AND
				(classid, objid) = (hashtextextended($1, 0) >> 32 & 4294967295, hashtextextended($1, 0) & 4294967295)`,
			fmt.Sprintf("products/%s/%s/", c.objectKey(w.ID), digest(1)))
		store()
		c.exec(`DELETE FROM outbox WHERE kind = 'delete_objects'`)
		return nil
	}}
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run)
	testenv.Receive(t, "a value", d.seen)
	c.remade(w)
}

// TestDeletionLosesTheDatabase has PostgreSQL be out of reach of the process whose
// deletion has lost its lock, until another process goes on with the row.
func TestDeletionLosesTheDatabase(t *testing.T) {
	t.Parallel()
	c, p := proxied(t)
	w := c.create(source)
	store := c.reservedWhileDeleting(w)
	d := deleter{seen: make(chan string, 10), f: func() error {
		p.Refuse()
		store()
		return nil
	}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run(ctx) }()
	testenv.Receive(t, "a value", d.seen)
	stop()
	if err := testenv.Receive(t, "a value", done); err != nil {
		t.Fatal(err)
	}
	p.Accept()
	if n := c.count("images WHERE status = 'ready'"); n != 1 {
		t.Fatal("it was noticed at once: the test shows nothing")
	}
	c.exec(`UPDATE outbox SET claimed_until = now() WHERE kind = 'delete_objects'`)
	d.f = func() error { return errors.New("deleted what is in use") }
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run)
	c.remade(w)
}

// TestDeletionOfWhatIsUsedComesAgain has a row come again that was never begun
// since an image has the objects: they are left as they are.
func TestDeletionOfWhatIsUsedComesAgain(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	c.reservedWhileDeleting(w)()
	d := deleter{seen: make(chan string, 10), f: func() error { return errors.New("deleted what is in use") }}
	c.exec(`CREATE SEQUENCE failures`) // counts what is undone, too
	c.exec(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM nextval('failures'); RAISE 'no'; END $$`)
	c.exec(`CREATE TRIGGER fail BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION fail()`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run(ctx) }()
	testenv.Eventually(t, "the row could not be finished", func() bool { return c.count("failures WHERE is_called") == 1 })
	stop()
	if err := testenv.Receive(t, "a value", done); err != nil {
		t.Fatal(err)
	}
	c.exec(`DROP TRIGGER fail ON outbox`)
	c.exec(`UPDATE outbox SET claimed_until = now() WHERE kind = 'delete_objects'`)
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, d, nil, testenv.Quiet()).Run)
	testenv.Eventually(t, "the deletion is done", func() bool { return c.count("outbox WHERE kind = 'delete_objects'") == 0 })
	if n := c.count("images WHERE status = 'ready' AND generation = 1"); n != 1 {
		t.Error("the image was made again")
	}
}
