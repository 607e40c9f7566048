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

// Unlimited is limits that no test reaches.
var Unlimited = outbox.Limits{PerOwner: 5000, Waiting: 5000}

// JobSink stands in for the broker and keeps the jobs that relays publish. It reports an
// empty queue with one consumer.
type JobSink struct {
	Jobs chan imaging.Job // the published jobs, in their order

	e      *Environment
	mu     sync.Mutex
	owners []int64
}

// NewJobSink returns a sink for the jobs of the environment.
func NewJobSink(e *Environment) *JobSink {
	return &JobSink{e: e, Jobs: make(chan imaging.Job, 5000)}
}

// Depth returns 0.
func (s *JobSink) Depth(context.Context) (int, error) { return 0, nil }

// Consumers returns 1.
func (s *JobSink) Consumers(context.Context) (int, error) { return 1, nil }

// Publish keeps the jobs of messages.
func (s *JobSink) Publish(ctx context.Context, messages []outbox.Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		job, err := imaging.DecodeJob(m.Body)
		if err != nil {
			errs[i] = err
			continue
		}
		var owner int64
		const q = `SELECT user_id FROM images JOIN products ON products.id = product_id WHERE images.id = $1`
		if errs[i] = s.e.DB.QueryRowContext(ctx, q, job.ImageID).Scan(&owner); errs[i] != nil {
			continue
		}
		s.mu.Lock()
		s.owners = append(s.owners, owner)
		s.mu.Unlock()
		s.Jobs <- job
	}
	return errs
}

// Owners returns the owners of the published jobs, in the order of the jobs.
func (s *JobSink) Owners() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.owners)
}

// RunRelays runs the job relays of n processes and returns their databases.
func (s *JobSink) RunRelays(n int, limits outbox.Limits) (stores []*postgres.DB) {
	s.e.T.Helper()
	for range n {
		store := Open(s.e.T, s.e.DSN)
		stores = append(stores, store)
		Run(s.e.T, outbox.NewJobRelay(outbox.New(store), s, limits, nil, Quiet()).Run)
	}
	return stores
}

// ClaimNext receives the next job and claims its image.
func (s *JobSink) ClaimNext() imaging.Claim {
	s.e.T.Helper()
	claim, err := s.e.Jobs.Claim(s.e.T.Context(), Receive(s.e.T, "a published job", s.Jobs), "w", Lease)
	if err != nil {
		s.e.T.Fatal(err)
	}
	return claim
}

// QueueDepth is a queue that knows only its depth.
type QueueDepth func() (int, error)

// Depth returns the number of messages in the queue.
func (d QueueDepth) Depth(context.Context) (int, error) { return d() }

// Created returns the zero time: the queue has always existed.
func (d QueueDepth) Created() time.Time { return time.Time{} }

var (
	// EmptyQueue is a queue without messages.
	EmptyQueue = QueueDepth(func() (int, error) { return 0, nil })
	// BusyQueue is a queue with messages.
	BusyQueue = QueueDepth(func() (int, error) { return 7, nil })
)
