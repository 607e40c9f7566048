package testenv

import (
	"context"
	"slices"
	"sync"
	"time"

	"vitrine/imaging"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// backlog stores n products of a user with one picture each, and their jobs as an
// earlier release wrote them.
func (c *Environment) AddBacklog(user int64, n int) {
	c.T.Helper()
	c.Exec(`
		WITH product AS (
			INSERT INTO products (user_id, product_name, product_price)
			SELECT $1, 'Lamp', 1 FROM generate_series(1, cast($2 AS integer))
			RETURNING id
		), image AS (
			INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $3 FROM product
			RETURNING id
		)
		INSERT INTO outbox (kind, subject, payload)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', 1) FROM image`, user, n, Source)
}

// freely is no limit that a test would meet.
var Unlimited = outbox.Limits{PerOwner: 5000, Waiting: 5000}

// line records what job relays send, and is no broker: nothing takes it from there.
type JobSink struct {
	c    *Environment
	Jobs chan imaging.Job

	mu     sync.Mutex
	owners []int64 // of the jobs, as they were sent
}

func (l *JobSink) Depth(context.Context) (int, error)     { return 0, nil }
func (l *JobSink) Consumers(context.Context) (int, error) { return 1, nil }

func (l *JobSink) Publish(ctx context.Context, messages []outbox.Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		job, err := imaging.DecodeJob(m.Body)
		if err != nil {
			errs[i] = err
			continue
		}
		var owner int64
		const q = `SELECT user_id FROM images JOIN products ON products.id = product_id WHERE images.id = $1`
		if errs[i] = l.c.DB.QueryRowContext(ctx, q, job.ImageID).Scan(&owner); errs[i] != nil {
			continue
		}
		l.mu.Lock()
		l.owners = append(l.owners, owner)
		l.mu.Unlock()
		l.Jobs <- job
	}
	return errs
}

func (l *JobSink) Owners() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.owners)
}

// relays runs a replica's job relay, for each of n replicas, and gives their stores.
func (l *JobSink) RunRelays(n int, limits outbox.Limits) (stores []*postgres.DB) {
	l.c.T.Helper()
	for range n {
		store := Open(l.c.T, l.c.DSN)
		stores = append(stores, store)
		Run(l.c.T, outbox.NewJobRelay(outbox.New(store), l, limits, nil, Quiet()).Run)
	}
	return stores
}

// begin claims the next job that was sent.
func (l *JobSink) ClaimNext() imaging.Claim {
	l.c.T.Helper()
	claim, err := l.c.Jobs.Claim(l.c.T.Context(), Receive(l.c.T, "a value", l.Jobs), "w", Lease)
	if err != nil {
		l.c.T.Fatal(err)
	}
	return claim
}

func NewJobSink(c *Environment) *JobSink { return &JobSink{c: c, Jobs: make(chan imaging.Job, 5000)} }

// depth is a queue with so many messages.
type QueueDepth func() (int, error)

func (d QueueDepth) Depth(context.Context) (int, error) { return d() }
func (d QueueDepth) Created() time.Time                 { return time.Time{} }

// Queues that are empty and that have a backlog.
var (
	EmptyQueue = QueueDepth(func() (int, error) { return 0, nil })
	BusyQueue  = QueueDepth(func() (int, error) { return 7, nil })
)
