package product_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"vitrine/imaging"
	"vitrine/product"
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
func (c *catalogue) await(id int64, limit time.Duration) awaiting {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	c.t.Cleanup(cancel)
	a := awaiting{make(chan product.Snapshot, 1), make(chan error, 1), make(chan struct{}, 1000), make(chan struct{}), cancel}
	go func() {
		s, err := c.Await(ctx, product.Everything(), id, limit, a.release, func(s product.Snapshot) bool {
			a.looked <- struct{}{}
			return s.Settled()
		})
		a.result <- s
		a.err <- err
	}()
	testenv.Receive(c.t, "a value", a.looked)
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
	c := newCatalogue(t)
	other := c.twin()
	c.follow()
	other.follow()
	w, untouched := c.create(source), c.create(source)
	began := time.Now()
	a, idle := c.await(w.ID, time.Minute), c.await(untouched.ID, time.Minute)
	claim := other.claim(w.Images[0], "w")
	other.settle(claim, ready(claim, digest(1)))
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
	c := newCatalogue(t)
	c.follow()
	w := c.create(source)
	t.Run("after its time", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		a := c.await(w.ID, 300*time.Millisecond)
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
		a := c.await(w.ID, time.Hour)
		close(a.release)
		if s := testenv.Receive(t, "a value", a.result); s.Version != 1 || testenv.Receive(t, "a value", a.err) != nil {
			t.Errorf("%s", s.Data)
		}
	})
	t.Run("when the caller goes", func(t *testing.T) {
		t.Parallel()
		a := c.await(w.ID, time.Hour)
		a.cancel()
		wantErr(t, testenv.Receive(t, "a value", a.err), context.Canceled)
	})
	t.Run("when the product is deleted", func(t *testing.T) {
		t.Parallel()
		w := c.create(source)
		a := c.await(w.ID, time.Hour)
		if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
		wantErr(t, testenv.Receive(t, "a value", a.err), product.ErrNotFound)
	})
	t.Run("at once where there is nothing to wait for", func(t *testing.T) {
		t.Parallel()
		c.await(c.create().ID, time.Hour).settled(t, 1)
		_, err := c.Await(t.Context(), product.OwnedBy(unknownID), w.ID, time.Hour, nil, product.Snapshot.Settled)
		wantErr(t, err, product.ErrNotFound)
	})
}

// TestAwaitWhileTheListenerIsCutOff loses the notification: the poll finds the
// change, sooner than the waiting request would look unasked.
func TestAwaitWhileTheListenerIsCutOff(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	dsn, err := url.Parse(c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, dsn.Host)
	dsn.Host = p.Addr
	listener := product.NewListener(dsn.String(), testenv.Quiet())
	testenv.Run(t, listener.Run)
	testenv.Run(t, product.NewTailer(c.events, listener.Wake(product.EventChannel, ""), testenv.Quiet()).Run)
	other := c.twin()
	testenv.Run(t, product.NewSequencer(other.events, testenv.Quiet()).Run)

	w := c.create(source)
	began := time.Now()
	a := c.await(w.ID, time.Minute)
	p.Refuse()
	claim := other.claim(w.Images[0], "w")
	other.settle(claim, failure(imaging.CodeSourceNotFound))
	a.settled(t, 3)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestAwaitWithoutTheEventLog has nobody who reads the log: it looks unasked.
func TestAwaitWithoutTheEventLog(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	a := c.await(w.ID, time.Minute)
	claim := c.claim(w.Images[0], "w")
	c.settle(claim, ready(claim, digest(1)))
	a.settled(t, 3)
}
