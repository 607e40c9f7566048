package product_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// TestWhatIsNotInFlight shows what makes room for an owner that may have one job
// in flight.
func TestWhatIsNotInFlight(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *catalogue, *line){
		"put off": func(_ *testing.T, c *catalogue, l *line) {
			o := failure(imaging.CodeSourceUnavailable)
			o.Retry, o.RetryIn = true, time.Hour
			c.settle(l.begin(), o)
		},
		"failed": func(_ *testing.T, c *catalogue, l *line) { c.settle(l.begin(), failure(imaging.CodeSourceNotFound)) },
		"deleted": func(t *testing.T, c *catalogue, l *line) {
			claim := l.begin()
			if err := c.Delete(t.Context(), product.Everything(), claim.ProductID, product.Precondition{}); err != nil {
				t.Fatal(err)
			}
		},
		"message lost for long": func(t *testing.T, c *catalogue, l *line) {
			testenv.Receive(t, "a value", l.jobs)
			c.exec(`UPDATE images SET queued_at = now() - interval '6 minutes' WHERE sent`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			c.backlog(c.user, 2)
			l := newLine(c)
			testenv.Run(t, product.NewJobRelay(c.outbox, l, product.JobLimits{PerOwner: 1}, nil, testenv.Quiet()).Run)
			end(t, c, l)
			testenv.Receive(t, "a value", l.jobs)
		})
	}
}

// TestLostJobsAreSentAgain has an owner's only job in flight be lost: once it
// waits in the outbox again it keeps neither itself nor the others back.
func TestLostJobsAreSentAgain(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testing.T, *catalogue, *line){
		"message": func(t *testing.T, c *catalogue, l *line) {
			testenv.Receive(t, "a value", l.jobs)
			c.exec(`UPDATE images SET queued_at = now() - interval '31 seconds' WHERE sent`)
		},
		"worker": func(_ *testing.T, c *catalogue, l *line) {
			claim := l.begin()
			c.exec(`UPDATE images SET lease_until = now() - interval '3 seconds', queued_at = now() - interval '31 seconds'
				WHERE id = $1`, claim.ImageID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			c.backlog(c.user, 1)
			l := newLine(c)
			testenv.Run(t, product.NewJobRelay(c.outbox, l, product.JobLimits{PerOwner: 1}, nil, testenv.Quiet()).Run)
			lose(t, c, l)
			testenv.Eventually(t, "the relay is done with it", func() bool { return c.count("outbox") == 0 })
			c.reconcile(empty)
			claim := l.begin()
			c.backlog(c.user, 1)
			c.settle(claim, ready(claim, digest(1)))
			l.begin()
		})
	}
}

// TestRelayKilledBetweenClaimAndPublish has a process vanish with an owner's jobs:
// they count as in flight as long as they are claimed, and are sent by another
// relay then.
func TestRelayKilledBetweenClaimAndPublish(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 5)
	store := producttest.Open(t, c.dsn)
	ctx, kill := context.WithCancel(t.Context())
	err := product.NewJobRelay(product.NewOutbox(store), publisher(func(context.Context, []product.Message) []error {
		kill()
		return []error{store.Close(), errors.New("killed")} // so nothing is given back
	}), product.JobLimits{PerOwner: 2}, nil, testenv.Quiet()).Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.count("outbox WHERE claimed_until > now()"); n != 2 {
		t.Fatalf("%d jobs are claimed", n)
	}
	l := newLine(c)
	testenv.Run(t, product.NewJobRelay(c.outbox, l, product.JobLimits{PerOwner: 3}, nil, testenv.Quiet()).Run)
	testenv.Receive(t, "a value", l.jobs)
	c.exec(`UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE claim IS NOT NULL`)
	testenv.Receive(t, "a value", l.jobs)
	testenv.Receive(t, "a value", l.jobs)
	if n := len(l.sent()); n != 3 || c.count("images WHERE sent") != 3 {
		t.Errorf("%d jobs in flight", n)
	}
}
