package outbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/outbox"
)

// TestWhatIsNotInFlight shows what makes room for an owner that may have one job
// in flight.
func TestWhatIsNotInFlight(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *testenv.Environment, *testenv.JobSink){
		"put off": func(_ *testing.T, c *testenv.Environment, l *testenv.JobSink) {
			o := testenv.FailedOutcome(imaging.CodeSourceUnavailable)
			o.Retry, o.RetryIn = true, time.Hour
			c.Settle(l.ClaimNext(), o)
		},
		"failed": func(_ *testing.T, c *testenv.Environment, l *testenv.JobSink) {
			c.Settle(l.ClaimNext(), testenv.FailedOutcome(imaging.CodeSourceNotFound))
		},
		"deleted": func(t *testing.T, c *testenv.Environment, l *testenv.JobSink) {
			claim := l.ClaimNext()
			if err := c.Delete(t.Context(), product.Everything(), claim.ProductID, product.Precondition{}); err != nil {
				t.Fatal(err)
			}
		},
		"message lost for long": func(t *testing.T, c *testenv.Environment, l *testenv.JobSink) {
			testenv.Receive(t, "a value", l.Jobs)
			c.Exec(`UPDATE images SET queued_at = now() - interval '6 minutes' WHERE sent`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			c.AddBacklog(c.User, 2)
			l := testenv.NewJobSink(c)
			testenv.Run(t, outbox.NewJobRelay(c.Outbox, l, outbox.Limits{PerOwner: 1}, nil, testenv.Quiet()).Run)
			end(t, c, l)
			testenv.Receive(t, "a value", l.Jobs)
		})
	}
}

// TestSettledImageIsNotInFlight has a lease expire and its job be sent once more before the
// holder settles: the reprocessing of other images does not wait until that job counts as lost.
func TestSettledImageIsNotInFlight(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source)
	c.Exec(`DELETE FROM outbox`)
	ready := c.Claim(w.Images[0], "w")
	c.Settle(ready, testenv.ReadyOutcome(ready, testenv.Digest(1)))
	claim := c.Claim(w.Images[1], "w")
	c.ExpireLease(w.Images[1])
	c.Reconcile(testenv.EmptyQueue)
	l := testenv.NewJobSink(c)
	l.RunRelays(1, testenv.Unlimited)
	testenv.Receive(t, "the job after the expired lease", l.Jobs)
	testenv.Eventually(t, "the job has left the outbox", func() bool { return c.Count("outbox") == 0 })
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(2)))
	c.SetFocal(w, &product.Focal{X: 0.1, Y: 0.2})
	if j := testenv.Receive(t, "the job for the focal point", l.Jobs); !j.Reprocess || j.ImageID != w.Images[0].ID {
		t.Errorf("%+v was sent", j)
	}
}

// TestLostJobsAreSentAgain has an owner's only job in flight be lost: once it
// waits in the outbox again it keeps neither itself nor the others back.
func TestLostJobsAreSentAgain(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testing.T, *testenv.Environment, *testenv.JobSink){
		"message": func(t *testing.T, c *testenv.Environment, l *testenv.JobSink) {
			testenv.Receive(t, "a value", l.Jobs)
			c.Exec(`UPDATE images SET queued_at = now() - interval '31 seconds' WHERE sent`)
		},
		"worker": func(_ *testing.T, c *testenv.Environment, l *testenv.JobSink) {
			claim := l.ClaimNext()
			c.Exec(`UPDATE images SET lease_until = now() - interval '3 seconds', queued_at = now() - interval '31 seconds'
				WHERE id = $1`, claim.ImageID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			c.AddBacklog(c.User, 1)
			l := testenv.NewJobSink(c)
			testenv.Run(t, outbox.NewJobRelay(c.Outbox, l, outbox.Limits{PerOwner: 1}, nil, testenv.Quiet()).Run)
			lose(t, c, l)
			testenv.Eventually(t, "the relay is done with it", func() bool { return c.Count("outbox") == 0 })
			c.Reconcile(testenv.EmptyQueue)
			claim := l.ClaimNext()
			c.AddBacklog(c.User, 1)
			c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
			l.ClaimNext()
		})
	}
}

// TestRelayKilledBetweenClaimAndPublish has a process vanish with an owner's jobs:
// they count as in flight as long as they are claimed, and are sent by another
// relay then.
func TestRelayKilledBetweenClaimAndPublish(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddBacklog(c.User, 5)
	store := testenv.Open(t, c.DSN)
	ctx, kill := context.WithCancel(t.Context())
	err := outbox.NewJobRelay(outbox.New(store), publisher(func(context.Context, []outbox.Message) []error {
		kill()
		return []error{store.Close(), errors.New("killed")} // so nothing is given back
	}), outbox.Limits{PerOwner: 2}, nil, testenv.Quiet()).Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Count("outbox WHERE claimed_until > now()"); n != 2 {
		t.Fatalf("%d jobs are claimed", n)
	}
	l := testenv.NewJobSink(c)
	testenv.Run(t, outbox.NewJobRelay(c.Outbox, l, outbox.Limits{PerOwner: 3}, nil, testenv.Quiet()).Run)
	testenv.Receive(t, "a value", l.Jobs)
	c.Exec(`UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE claim IS NOT NULL`)
	testenv.Receive(t, "a value", l.Jobs)
	testenv.Receive(t, "a value", l.Jobs)
	if n := len(l.Owners()); n != 3 || c.Count("images WHERE sent") != 3 {
		t.Errorf("%d jobs in flight", n)
	}
}
