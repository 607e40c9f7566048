package catalogue_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/postgres"
)

// awaiting is a call of Await that goes on.
type awaiting struct {
	result  chan product.Snapshot
	err     chan error
	looked  chan struct{} // each time that it looks at the product
	release chan struct{}
	cancel  context.CancelFunc
}

// await waits for the product to settle, and returns once it has looked.
func await(c *testenv.Environment, id int64, limit time.Duration) awaiting {
	c.T.Helper()
	ctx, cancel := context.WithCancel(c.T.Context())
	c.T.Cleanup(cancel)
	a := awaiting{make(chan product.Snapshot, 1), make(chan error, 1), make(chan struct{}, 1000), make(chan struct{}), cancel}
	go func() {
		s, err := c.Await(ctx, product.Everything(), id, limit, a.release, func(s product.Snapshot) bool {
			a.looked <- struct{}{}
			return s.Settled()
		})
		a.result <- s
		a.err <- err
	}()
	testenv.Receive(c.T, "a value", a.looked)
	return a
}

// settled checks that the wait ended with the product's last version.
func (a awaiting) settled(t *testing.T, version int64) {
	t.Helper()
	s := testenv.Receive(t, "a value", a.result)
	if err := testenv.Receive(t, "a value", a.err); err != nil || s.Version != version || !s.Settled() {
		t.Errorf("%s, %v, want version %d", s.Data, err, version)
	}
}

func TestAwaitIsWokenByAnotherReplica(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	other := c.AnotherReplica()
	c.RunEventLog()
	other.RunEventLog()
	w, untouched := c.NewProduct(testenv.Source), c.NewProduct(testenv.Source)
	began := time.Now()
	a, idle := await(c, w.ID, time.Minute), await(c, untouched.ID, time.Minute)
	claim := other.Claim(w.Images[0], "w")
	other.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	a.settled(t, 3)
	if took := time.Since(began); took > 4*time.Second { // it would look unasked after five
		t.Errorf("took %v", took)
	}
	// One look when the tailer began, none for another product's changes.
	if n := len(idle.looked); n > 1 {
		t.Errorf("the other product was looked at %d times more", n)
	}
}

func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	w := c.NewProduct(testenv.Source)
	t.Run("after its time", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		a := await(c, w.ID, 300*time.Millisecond)
		s := testenv.Receive(t, "a value", a.result)
		if err := testenv.Receive(t, "a value", a.err); err != nil || s.Version != 1 || s.Settled() {
			t.Errorf("%s, %v", s.Data, err)
		}
		if took := time.Since(began); took < 300*time.Millisecond || took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("when it is released", func(t *testing.T) {
		t.Parallel()
		a := await(c, w.ID, time.Hour)
		close(a.release)
		if s := testenv.Receive(t, "a value", a.result); s.Version != 1 || testenv.Receive(t, "a value", a.err) != nil {
			t.Errorf("%s", s.Data)
		}
	})
	t.Run("when the caller goes", func(t *testing.T) {
		t.Parallel()
		a := await(c, w.ID, time.Hour)
		a.cancel()
		testenv.WantErr(t, testenv.Receive(t, "a value", a.err), context.Canceled)
	})
	t.Run("when the product is deleted", func(t *testing.T) {
		t.Parallel()
		w := c.NewProduct(testenv.Source)
		a := await(c, w.ID, time.Hour)
		if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
		testenv.WantErr(t, testenv.Receive(t, "a value", a.err), product.ErrNotFound)
	})
	t.Run("at once where there is nothing to wait for", func(t *testing.T) {
		t.Parallel()
		await(c, c.NewProduct().ID, time.Hour).settled(t, 1)
		_, err := c.Await(t.Context(), product.OwnedBy(testenv.UnknownID), w.ID, time.Hour, nil, product.Snapshot.Settled)
		testenv.WantErr(t, err, product.ErrNotFound)
	})
}

// TestAwaitWhileTheListenerIsCutOff loses the notification: the poll finds the
// change, sooner than the waiting request would look unasked.
func TestAwaitWhileTheListenerIsCutOff(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	dsn, err := url.Parse(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, dsn.Host)
	dsn.Host = p.Addr
	listener := postgres.NewListener(dsn.String(), testenv.Quiet())
	testenv.Run(t, event.NewTailer(c.Events, listener.Wake(event.Channel, ""), testenv.Quiet()).Run)
	testenv.Run(t, listener.Run)
	other := c.AnotherReplica()
	testenv.Run(t, event.NewSequencer(other.Events, testenv.Quiet()).Run)

	w := c.NewProduct(testenv.Source)
	began := time.Now()
	a := await(c, w.ID, time.Minute)
	p.Refuse()
	claim := other.Claim(w.Images[0], "w")
	other.Settle(claim, testenv.FailedOutcome(imaging.CodeSourceNotFound))
	a.settled(t, 3)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestAwaitWithoutTheEventLog has nobody who reads the log: it looks unasked.
func TestAwaitWithoutTheEventLog(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	a := await(c, w.ID, time.Minute)
	claim := c.Claim(w.Images[0], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	a.settled(t, 3)
}
