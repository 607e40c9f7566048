package product_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// line records what job relays send, and is no broker: nothing takes it from there.
type line struct {
	c    *catalogue
	jobs chan imaging.Job

	mu     sync.Mutex
	owners []int64 // of the jobs, as they were sent
}

func newLine(c *catalogue) *line { return &line{c: c, jobs: make(chan imaging.Job, 5000)} }

func (l *line) Depth(context.Context) (int, error)     { return 0, nil }
func (l *line) Consumers(context.Context) (int, error) { return 1, nil }

func (l *line) Publish(ctx context.Context, messages []product.Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		job, err := imaging.DecodeJob(m.Body)
		if err != nil {
			errs[i] = err
			continue
		}
		var owner int64
		const q = `SELECT user_id FROM images JOIN products ON products.id = product_id WHERE images.id = $1`
		if errs[i] = l.c.db.QueryRowContext(ctx, q, job.ImageID).Scan(&owner); errs[i] != nil {
			continue
		}
		l.mu.Lock()
		l.owners = append(l.owners, owner)
		l.mu.Unlock()
		l.jobs <- job
	}
	return errs
}

func (l *line) sent() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.owners)
}

// relays runs a replica's job relay, for each of n replicas, and gives their stores.
func (l *line) relays(n int, limits product.JobLimits) (stores []*product.Store) {
	l.c.t.Helper()
	for range n {
		store := producttest.Open(l.c.t, l.c.dsn)
		stores = append(stores, store)
		run(l.c.t, product.NewJobRelay(product.NewOutbox(store), l, limits, nil, quiet()).Run)
	}
	return stores
}

// begin claims the next job that was sent.
func (l *line) begin() imaging.Claim {
	l.c.t.Helper()
	claim, err := l.c.jobs.Claim(l.c.t.Context(), receive(l.c.t, l.jobs), "w", lease)
	if err != nil {
		l.c.t.Fatal(err)
	}
	return claim
}

// TestOwnersTakeTurns shows the order in which backlogs go: what gives an owner
// the fewest jobs in flight is the next, and an owner's oldest comes first.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	owners := []int64{c.user, c.addUser(), c.addUser()}
	for i, n := range []int{60, 3, 1} { // as they came
		c.backlog(owners[i], n)
	}
	l := newLine(c)
	l.relays(1, freely)
	eventually(t, "all jobs are sent", func() bool { return len(l.sent()) == 64 })
	sent := l.sent()
	for i, within := range []int{64, 8, 3} {
		last := len(sent) - 1
		for sent[last] != owners[i] {
			last--
		}
		if last >= within {
			t.Errorf("the last job of owner %d was number %d, want it among the first %d", i, last+1, within)
		}
	}
}

// TestOwnersOldestFirst shows that within an owner's line the time decides at
// which a job became due, whether it is new, a retry or a replay.
func TestOwnersOldestFirst(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 150)
	c.exec(`UPDATE outbox SET available_at = now() - interval '1 hour' + (id * 7919 % 151) * interval '1 second'`)
	var want []uuid.UUID
	rows, err := c.db.Query(`SELECT subject FROM outbox ORDER BY available_at`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	l := newLine(c)
	l.relays(1, freely)
	var got []uuid.UUID
	for range want {
		got = append(got, receive(t, l.jobs).ImageID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestManyOwnersTakeTurns has more owners than are weighed at once: each has its
// first job sent before anybody has many.
func TestManyOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 400)
	newcomers := make(map[int64]bool)
	for range 90 {
		user := c.addUser()
		newcomers[user] = true
		c.backlog(user, 2)
	}
	l := newLine(c)
	l.relays(2, product.JobLimits{PerOwner: 1000, Waiting: 1000})
	eventually(t, "all jobs are sent", func() bool { return len(l.sent()) == 580 })
	for _, owner := range l.sent()[:400] {
		delete(newcomers, owner)
	}
	if len(newcomers) != 0 {
		t.Errorf("%d of 90 owners had no job among the first 400", len(newcomers))
	}
}
