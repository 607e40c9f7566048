package maintenance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
)

func TestDeletionRelay(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, "https://a.example/2.png", "https://a.example/3.png")
	for i, image := range w.Images {
		claim := c.Claim(image, "w")
		c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(min(i, 1)))) // the last two have the same content
	}
	failures := 1
	d := testenv.Deleter{Deleted: make(chan string, 10), Before: func() error {
		if failures--; failures >= 0 {
			return testenv.ErrDown
		}
		return nil
	}}
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run)
	// What another image still has stays.
	c.SetImages(w.ID, testenv.Source, "https://a.example/2.png")
	testenv.Eventually(t, "the deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
	if len(d.Deleted) != 0 {
		t.Errorf("%s was deleted", <-d.Deleted)
	}
	c.SetImages(w.ID, testenv.Source)
	prefix := "products/" + c.ObjectKey(w.ID).String() + "/"
	if got := testenv.Receive(t, "a value", d.Deleted); got != prefix+testenv.Digest(1)+"/" {
		t.Errorf("%s was deleted", got)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Receive(t, "a value", d.Deleted); got != prefix+testenv.Digest(0)+"/" {
		t.Errorf("%s was deleted", got)
	}
}

// TestReserveWaitsForDeletion shows that nothing is stored under a digest while
// its objects are being deleted, and nothing deleted once it is reserved.
func TestReserveWaitsForDeletion(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	claim := c.Claim(w.Images[0], "w")
	payload, err := json.Marshal(map[string]any{"object_key": claim.ObjectKey, "sha256": testenv.Digest(1)})
	if err != nil {
		t.Fatal(err)
	}
	queue := func() {
		c.Exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('delete_objects', $1, $2)`, claim.ObjectKey, string(payload))
	}
	begun, end := make(chan struct{}), make(chan struct{})
	d := testenv.Deleter{Deleted: make(chan string, 10), Before: func() error {
		close(begun)
		<-end
		return nil
	}}
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run)
	queue()
	testenv.Receive(t, "a value", begun)
	reserved := make(chan error, 1)
	go func() { reserved <- testenv.ErrOf(c.Jobs.Reserve(t.Context(), claim, testenv.Digest(1))) }()
	testenv.Eventually(t, "the reservation waits", func() bool {
		return c.Count(`pg_locks AS waiting WHERE NOT granted AND locktype = 'advisory' AND
			(classid, objid) = (hashtextextended($1, 0) >> 32 & 4294967295, hashtextextended($1, 0) & 4294967295)`,
			fmt.Sprintf("products/%s/%s/", claim.ObjectKey, testenv.Digest(1))) > 0
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
	testenv.Receive(t, "a value", d.Deleted)
	// Once reserved it is safe: the handler would panic on a second begin.
	queue()
	testenv.Eventually(t, "the second deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
	if len(d.Deleted) != 0 {
		t.Error("reserved objects were deleted")
	}
}

// reservedWhileDeleting has the deletion of a digest's objects lose its session,
// and with it the lock, and a worker store the same objects before it ends.
func reservedWhileDeleting(c *testenv.Environment, w testenv.Product) (lose func()) {
	claim := c.Claim(w.Images[0], "w")
	c.Exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('delete_objects', $1, jsonb_build_object('object_key', $1::uuid, 'sha256', $2::text))`,
		claim.ObjectKey, testenv.Digest(1))
	jobs := testenv.NewReplica(testenv.Open(c.T, c.DSN), c.Cache).Jobs
	return func() {
		testenv.Eventually(c.T, "the worker reserves", func() bool { return testenv.ErrOf(jobs.Reserve(c.T.Context(), claim, testenv.Digest(1))) == nil })
		if err := jobs.Settle(c.T.Context(), claim, testenv.ReadyOutcome(claim, testenv.Digest(1))); err != nil {
			c.T.Error(err)
		}
	}
}

// waitProcessedAgain waits until the image of w is about to be made again, and checks that
// everybody can see it.
func waitProcessedAgain(c *testenv.Environment, w testenv.Product) {
	c.T.Helper()
	testenv.Eventually(c.T, "the image begins anew", func() bool {
		return c.Count(`images WHERE status = 'pending' AND generation = 2 AND attempts = 0 AND lease_holder IS NULL`) == 1
	})
	if n := c.Count(`outbox WHERE kind = 'image_job' AND payload ->> 'generation' = '2'`); n != 1 {
		c.T.Errorf("%d jobs", n)
	}
	testenv.Eventually(c.T, "the deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
	testenv.Run(c.T, outbox.NewInvalidationRelay(c.Outbox, c.Cache, nil, testenv.Quiet()).Run)
	testenv.Eventually(c.T, "clients see it", func() bool { return c.Product(w.ID).Images[0].Status == "pending" })
	if got := c.Product(w.ID); got.Compressed != nil || got.Images[0].URL != nil || got.Version != 4 {
		c.T.Errorf("%+v", got)
	}
	j := testenv.JobOf(w.Images[0])
	j.Generation = 2
	again, err := c.Jobs.Claim(c.T.Context(), j, "w-2", testenv.Lease)
	if err != nil {
		c.T.Fatal(err)
	}
	c.Settle(again, testenv.ReadyOutcome(again, testenv.Digest(1)))
	if got := c.Product(w.ID); len(got.Compressed) != 1 {
		c.T.Errorf("%+v", got)
	}
}

// TestDeletionLosesItsSession has another process take over the row, too, and find
// nothing to delete: only who deleted can know what it has done.
func TestDeletionLosesItsSession(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	store := reservedWhileDeleting(c, w)
	d := testenv.Deleter{Deleted: make(chan string, 10), Before: func() error {
		c.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks
			WHERE locktype = 'advisory' AND granted AND
				(classid, objid) = (hashtextextended($1, 0) >> 32 & 4294967295, hashtextextended($1, 0) & 4294967295)`,
			fmt.Sprintf("products/%s/%s/", c.ObjectKey(w.ID), testenv.Digest(1)))
		store()
		c.Exec(`DELETE FROM outbox WHERE kind = 'delete_objects'`)
		return nil
	}}
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run)
	testenv.Receive(t, "a value", d.Deleted)
	waitProcessedAgain(c, w)
}

// TestDeletionLosesTheDatabase has PostgreSQL be out of reach of the process whose
// deletion has lost its lock, until another process goes on with the row.
func TestDeletionLosesTheDatabase(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w := c.NewProduct(testenv.Source)
	store := reservedWhileDeleting(c, w)
	d := testenv.Deleter{Deleted: make(chan string, 10), Before: func() error {
		p.Refuse()
		store()
		return nil
	}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run(ctx)
	}()
	testenv.Receive(t, "a value", d.Deleted)
	stop()
	if err := testenv.Receive(t, "a value", done); err != nil {
		t.Fatal(err)
	}
	p.Accept()
	if n := c.Count("images WHERE status = 'ready'"); n != 1 {
		t.Fatal("it was noticed at once: the test shows nothing")
	}
	c.Exec(`UPDATE outbox SET claimed_until = now() WHERE kind = 'delete_objects'`)
	d.Before = func() error { return errors.New("deleted what is in use") }
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run)
	waitProcessedAgain(c, w)
}

// TestDeletionOfWhatIsUsedComesAgain has a row come again that was never begun
// since an image has the objects: they are left as they are.
func TestDeletionOfWhatIsUsedComesAgain(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	reservedWhileDeleting(c, w)()
	d := testenv.Deleter{Deleted: make(chan string, 10), Before: func() error { return errors.New("deleted what is in use") }}
	c.Exec(`CREATE SEQUENCE failures`) // counts what is undone, too
	c.Exec(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM nextval('failures'); RAISE 'no'; END $$`)
	c.Exec(`CREATE TRIGGER fail BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION fail()`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run(ctx)
	}()
	testenv.Eventually(t, "the row could not be finished", func() bool { return c.Count("failures WHERE is_called") == 1 })
	stop()
	if err := testenv.Receive(t, "a value", done); err != nil {
		t.Fatal(err)
	}
	c.Exec(`DROP TRIGGER fail ON outbox`)
	c.Exec(`UPDATE outbox SET claimed_until = now() WHERE kind = 'delete_objects'`)
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, d, nil, testenv.Quiet()).Run)
	testenv.Eventually(t, "the deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
	if n := c.Count("images WHERE status = 'ready' AND generation = 1"); n != 1 {
		t.Error("the image was made again")
	}
}
