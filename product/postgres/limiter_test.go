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

// onePermit returns an environment with two connections and so one permit for clients,
// and a gate that blocks the commits of new users: one such call holds the permit.
func onePermit(t *testing.T) (*testenv.Environment, *testenv.Gate) {
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

// takePermit holds the clients' permit until the gate opens.
func takePermit(c *testenv.Environment, gate *testenv.Gate) {
	ended := make(chan error, 1)
	go func() {
		ended <- testenv.ErrOf(c.CreateUser(postgres.Sheddable(c.T.Context()), account.NewUser{Name: "Eve", Email: uuid.NewString() + "@example.org"}))
	}()
	c.T.Cleanup(func() {
		gate.Open()
		if err := testenv.Receive(c.T, "the end of the call with the permit", ended); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, product.ErrUnavailable) {
			c.T.Error(err)
		}
	})
	gate.Await()
}

func TestLimiterRefusesOnlyClients(t *testing.T) {
	t.Parallel()
	c, gate := onePermit(t)
	takePermit(c, gate)
	began := time.Now()
	err := testenv.ErrOf(c.Accounts.User(postgres.Sheddable(t.Context()), product.Everything(), c.User))
	if took := time.Since(began); !errors.Is(err, product.ErrOverloaded) || took > 1500*time.Millisecond { // half a second
		t.Errorf("a client's call returned %v after %s", err, took)
	}
	if err := c.Store.Check(t.Context()); err != nil {
		t.Errorf("the readiness check: %v", err)
	}
	if err := testenv.ErrOf(c.Accounts.User(t.Context(), product.Everything(), c.User)); err != nil {
		t.Errorf("an internal call: %v", err)
	}
	gate.Open()
	testenv.Eventually(t, "the permit is free again", func() bool {
		return testenv.ErrOf(c.Accounts.User(postgres.Sheddable(t.Context()), product.Everything(), c.User)) == nil
	})
}

// busyAfterCommit is a cache that fails to publish a committed write, after another call
// has taken the clients' permit.
type busyAfterCommit struct {
	catalogue.Cache
	takePermit func()
}

func (c busyAfterCommit) Lag() time.Duration { return 0 }

func (c busyAfterCommit) Replace(context.Context, string, string, []byte) error {
	c.takePermit()
	return testenv.ErrDown
}

// TestLimiterAdmitsWhatFollowsACommit checks that the steps after a commit need no permit.
func TestLimiterAdmitsWhatFollowsACommit(t *testing.T) {
	t.Parallel()
	c, gate := onePermit(t)
	w := c.NewProduct()
	service := testenv.NewReplica(c.Store, busyAfterCommit{c.Cache, func() { takePermit(c, gate) }})
	ended := make(chan error, 1)
	go func() { ended <- testenv.RenameToTorch(service, w.ID)(postgres.Sheddable(t.Context())) }()
	if err := testenv.Receive(t, "the end of the write", ended); err != nil {
		t.Errorf("the write returned %v", err)
	}
	if n := c.Count(`outbox WHERE kind = 'invalidate'`); n != 1 {
		t.Errorf("%d invalidations were recorded, want 1", n)
	}
}

// TestLimiterBoundsWaitingCalls checks that further calls are refused at once while the
// maximum number of calls is waiting.
func TestLimiterBoundsWaitingCalls(t *testing.T) {
	t.Parallel()
	c, gate := onePermit(t)
	takePermit(c, gate)
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
		switch took := testenv.Receive(t, "the end of a call", ended); {
		case took < 0:
			t.Error("a call was not refused")
		case took > 400*time.Millisecond:
			waited++
		}
	}
	if waited < queue/2 || waited > 2*queue { // on a busy machine some calls begin after others have given up
		t.Errorf("%d calls waited, want %d", waited, queue)
	}
}
