package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/outbox"
)

// TestNewcomerDoesNotWait has a picture come while a large backlog of another
// owner is being worked on: only the few jobs that are in the queue by then, or at
// work, are done before it.
func TestNewcomerDoesNotWait(t *testing.T) {
	t.Parallel()
	i := testenv.NewInstallation(t)
	i.AddBacklog(i.User, 1500)
	for range 2 {
		i.RunReplica(2, outbox.Limits{PerOwner: 100})
	}
	testenv.Eventually(t, "the backlog is being worked on", func() bool { return i.FinishedFor(i.User) >= 50 })
	newcomer := i.AddUser()
	_, err := i.Create(t.Context(), product.NewProduct{UserID: newcomer, Name: "x", Images: []string{testenv.Source}})
	if err != nil {
		t.Fatal(err)
	}
	before := i.FinishedFor(i.User)
	testenv.Eventually(t, "the newcomer's picture is done", func() bool { return i.FinishedFor(newcomer) == 1 })
	behind := slices.Index(i.Finished(), newcomer) - before
	t.Logf("%d jobs of 1500 were done before", behind)
	// 32 wait, 4 are at work, and some are done while the relay takes notice.
	if behind > 100 {
		t.Errorf("%d jobs were done before the newcomer's", behind)
	}
}

// TestFewJobsWait has the relays of two replicas send a backlog that nobody works
// on: most of it stays in the outbox.
func TestFewJobsWait(t *testing.T) {
	t.Parallel()
	i := testenv.NewInstallation(t)
	i.AddBacklog(i.User, 300)
	i.AddBacklog(i.AddUser(), 300)
	limits := outbox.Limits{PerOwner: 100}
	for range 2 {
		i.RunReplica(0, limits)
	}
	testenv.Eventually(t, "jobs are sent", func() bool { return i.Count("outbox") <= 600-32 })
	broker := i.RunBroker(0, i.Jobs)
	testenv.Eventually(t, "there is a session", func() bool { return broker.Check(t.Context()) == nil })
	pass(i.Environment, outbox.NewJobRelay(i.Outbox, broker, limits, nil, testenv.Quiet()))
	if n := 600 - i.Count("outbox"); n != 32 {
		t.Errorf("%d jobs were sent, want 32", n)
	}
	var most int
	i.Scan(&most, `SELECT max(n) FROM (SELECT count(*) AS n FROM images JOIN products ON products.id = product_id WHERE sent GROUP BY user_id) AS owners`)
	if most != 16 {
		t.Errorf("one of two owners has %d of 32", most)
	}
}

// TestJobsWithoutAnOwner has jobs in the outbox whose owners nobody has noted: they go
// by turns of their owners as well.
func TestJobsWithoutAnOwner(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	other := c.AddUser()
	c.AddBacklog(c.User, 40)
	c.AddBacklog(other, 1)
	c.Exec(`INSERT INTO outbox (kind, subject, payload) SELECT 'image_job', id, '{"image_id": "` + uuid.NewString() +
		`", "generation": 1}' FROM gen_random_uuid() AS id`) // of a product that was deleted
	l := testenv.NewJobSink(c)
	testenv.Run(t, outbox.NewJobRelay(c.Outbox, publisher(func(ctx context.Context, messages []outbox.Message) []error {
		if errs := l.Publish(ctx, messages); !errors.Is(errors.Join(errs...), sql.ErrNoRows) {
			return errs
		}
		return make([]error, len(messages))
	}), testenv.Unlimited, nil, testenv.Quiet()).Run)
	testenv.Eventually(t, "all jobs are sent", func() bool { return c.Count("outbox") == 0 && len(l.Owners()) == 41 })
	if at := slices.Index(l.Owners(), other); at > 2 {
		t.Errorf("the other owner's job was number %d", at+1)
	}
}
