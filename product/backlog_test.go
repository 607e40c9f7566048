package product_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"

	"vitrine/bench/testenv"

	"github.com/google/uuid"

	"vitrine/product"
)

// TestNewcomerDoesNotWait has a picture come while a large backlog of another
// owner is being worked on: only the few jobs that are in the queue by then, or at
// work, are done before it.
func TestNewcomerDoesNotWait(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.backlog(i.user, 1500)
	for range 2 {
		i.replica(2, product.JobLimits{PerOwner: 100})
	}
	testenv.Eventually(t, "the backlog is being worked on", func() bool { return i.doneFor(i.user) >= 50 })
	newcomer := i.addUser()
	_, err := i.Create(t.Context(), product.NewProduct{UserID: newcomer, Name: "x", Images: []string{source}})
	if err != nil {
		t.Fatal(err)
	}
	before := i.doneFor(i.user)
	testenv.Eventually(t, "the newcomer's picture is done", func() bool { return i.doneFor(newcomer) == 1 })
	i.mu.Lock()
	behind := slices.Index(i.done, newcomer) - before
	i.mu.Unlock()
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
	i := newInstallation(t)
	i.backlog(i.user, 300)
	i.backlog(i.addUser(), 300)
	limits := product.JobLimits{PerOwner: 100}
	for range 2 {
		i.replica(0, limits)
	}
	testenv.Eventually(t, "jobs are sent", func() bool { return i.count("outbox") <= 600-32 })
	broker := i.broker(0, i.jobs)
	testenv.Eventually(t, "there is a session", func() bool { return broker.Check(t.Context()) == nil })
	i.pass(product.NewJobRelay(i.outbox, broker, limits, nil, testenv.Quiet()))
	if n := 600 - i.count("outbox"); n != 32 {
		t.Errorf("%d jobs were sent, want 32", n)
	}
	var most int
	i.scan(&most, `SELECT max(n) FROM (SELECT count(*) AS n FROM images JOIN products ON products.id = product_id WHERE sent GROUP BY user_id) AS owners`)
	if most != 16 {
		t.Errorf("one of two owners has %d of 32", most)
	}
}

// TestJobsWithoutAnOwner has jobs in the outbox whose owners nobody has noted: they go
// by turns of their owners as well.
func TestJobsWithoutAnOwner(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	other := c.addUser()
	c.backlog(c.user, 40)
	c.backlog(other, 1)
	c.exec(`INSERT INTO outbox (kind, subject, payload) SELECT 'image_job', id, '{"image_id": "` + uuid.NewString() +
		`", "generation": 1}' FROM gen_random_uuid() AS id`) // of a product that was deleted
	l := newLine(c)
	testenv.Run(t, product.NewJobRelay(c.outbox, publisher(func(ctx context.Context, messages []product.Message) []error {
		if errs := l.Publish(ctx, messages); !errors.Is(errors.Join(errs...), sql.ErrNoRows) {
			return errs
		}
		return make([]error, len(messages))
	}), freely, nil, testenv.Quiet()).Run)
	testenv.Eventually(t, "all jobs are sent", func() bool { return c.count("outbox") == 0 && len(l.sent()) == 41 })
	if at := slices.Index(l.sent(), other); at > 2 {
		t.Errorf("the other owner's job was number %d", at+1)
	}
}
