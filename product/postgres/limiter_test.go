package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/catalogue"
	"vitrine/product/postgres"
)

// narrow is a catalogue with two connections, one of which clients may use, and a
// gate that holds up what creates users: one such call has the clients' place.
func narrow(t *testing.T) (*testenv.Environment, *testenv.Gate) {
	t.Helper()
	dsn := testenv.DSN(t)
	store, err := postgres.Open(postgres.Config{DSN: dsn, MaxOpen: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	c := testenv.NewOn(t, dsn, store, testenv.RedisURL(t))
	return c, testenv.HoldCommits(t, dsn, "users")
}

// occupy takes the clients' place until the gate opens.
func occupy(c *testenv.Environment, gate *testenv.Gate) {
	ended := make(chan error, 1)
	go func() {
		ended <- testenv.ErrOf(c.CreateUser(postgres.Sheddable(c.T.Context()), account.NewUser{Name: "Eve", Email: uuid.NewString() + "@example.org"}))
	}()
	c.T.Cleanup(func() {
		gate.Open()
		if err := testenv.Receive(c.T, "a value", ended); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, product.ErrUnavailable) {
			c.T.Error(err)
		}
	})
	gate.Await()
}

func TestClientsAreTurnedAwayAndOthersAreNot(t *testing.T) {
	t.Parallel()
	c, gate := narrow(t)
	occupy(c, gate)
	began := time.Now()
	err := testenv.ErrOf(c.Accounts.User(postgres.Sheddable(t.Context()), product.Everything(), c.User))
	if took := time.Since(began); !errors.Is(err, product.ErrOverloaded) || took > 1500*time.Millisecond { // half a second
		t.Errorf("a client's call gave %v after %s", err, took)
	}
	if err := c.Store.Check(t.Context()); err != nil {
		t.Errorf("the readiness check: %v", err)
	}
	if err := testenv.ErrOf(c.Accounts.User(t.Context(), product.Everything(), c.User)); err != nil {
		t.Errorf("a call that is no client's: %v", err)
	}
	gate.Open()
	testenv.Eventually(t, "the place is free again", func() bool {
		return testenv.ErrOf(c.Accounts.User(postgres.Sheddable(t.Context()), product.Everything(), c.User)) == nil
	})
}

// crowdAfterCommit lets another call take the clients' place when a write has been
// committed and before it is published, which fails.
type crowdAfterCommit struct {
	catalogue.Cache
	occupy func()
}

func (c crowdAfterCommit) Lag() time.Duration { return 0 }

func (c crowdAfterCommit) Replace(context.Context, string, string, []byte) error {
	c.occupy()
	return testenv.ErrDown
}

// TestCommittedWriteIsNotTurnedAway: what follows a commit waits for no place.
func TestCommittedWriteIsNotTurnedAway(t *testing.T) {
	t.Parallel()
	c, gate := narrow(t)
	w := c.NewProduct()
	service := testenv.NewReplica(c.Store, crowdAfterCommit{c.Cache, func() { occupy(c, gate) }})
	ended := make(chan error, 1)
	go func() { ended <- testenv.RenameToTorch(service, w.ID)(postgres.Sheddable(t.Context())) }()
	if err := testenv.Receive(t, "a value", ended); err != nil {
		t.Errorf("the write gave %v", err)
	}
	if n := c.Count(`outbox WHERE kind = 'invalidate'`); n != 1 {
		t.Errorf("%d invalidations were recorded, want 1", n)
	}
}

// TestQueueIsBounded: beyond a number of waiting calls the next is turned away at once.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	c, gate := narrow(t)
	occupy(c, gate)
	const queue = 32
	ended := make(chan time.Duration, 3*queue)
	for range 3 * queue {
		go func() {
			began := time.Now()
			if err := testenv.ErrOf(c.Accounts.User(postgres.Sheddable(t.Context()), product.Everything(), c.User)); !errors.Is(err, product.ErrOverloaded) {
				ended <- -1
				return
			}
			ended <- time.Since(began)
		}()
	}
	waited := 0
	for range 3 * queue {
		switch took := testenv.Receive(t, "a value", ended); {
		case took < 0:
			t.Error("a call was not turned away")
		case took > 400*time.Millisecond:
			waited++
		}
	}
	if waited < queue/2 || waited > 2*queue { // on a busy machine some come when others have given up
		t.Errorf("%d calls waited, want %d", waited, queue)
	}
}
