package product_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// backlog stores n products of a user with one picture each, and their jobs as an
// earlier release wrote them.
func (c *catalogue) backlog(user int64, n int) {
	c.t.Helper()
	c.exec(`
		WITH product AS (
			INSERT INTO products (user_id, product_name, product_price)
			SELECT $1, 'Lamp', 1 FROM generate_series(1, cast($2 AS integer))
			RETURNING id
		), image AS (
			INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $3 FROM product
			RETURNING id
		)
		INSERT INTO outbox (kind, subject, payload)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', 1) FROM image`, user, n, source)
}

// freely is no limit that a test would meet.
var freely = product.JobLimits{PerOwner: 5000, Waiting: 5000}

// line records what job relays send, and is no broker: nothing takes it from there.
type line struct {
	c    *catalogue
	jobs chan imaging.Job

	mu     sync.Mutex
	owners []int64 // of the jobs, as they were sent
}

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
		testenv.Run(l.c.t, product.NewJobRelay(product.NewOutbox(store), l, limits, nil, testenv.Quiet()).Run)
	}
	return stores
}

// begin claims the next job that was sent.
func (l *line) begin() imaging.Claim {
	l.c.t.Helper()
	claim, err := l.c.jobs.Claim(l.c.t.Context(), testenv.Receive(l.c.t, "a value", l.jobs), "w", lease)
	if err != nil {
		l.c.t.Fatal(err)
	}
	return claim
}

func newLine(c *catalogue) *line { return &line{c: c, jobs: make(chan imaging.Job, 5000)} }

// depth is a queue with so many messages.
type depth func() (int, error)

func (d depth) Depth(context.Context) (int, error) { return d() }
func (d depth) Created() time.Time                 { return time.Time{} }

// Queues that are empty and that have a backlog.
var (
	empty = depth(func() (int, error) { return 0, nil })
	busy  = depth(func() (int, error) { return 7, nil })
)
