package testenv

import (
	"context"
	"sync/atomic"

	"vitrine/imaging"
	"vitrine/imaging/worker"
	"vitrine/product/outbox"
)

// MemoryQueue stands in for the broker. Its consumers drop first processings, because tests
// call [Pipeline.ProcessFirst] for those.
type MemoryQueue struct {
	Messages  chan outbox.Message // published, not yet consumed
	consumers atomic.Int32
}

// Depth returns the number of messages.
func (q *MemoryQueue) Depth(context.Context) (int, error) { return len(q.Messages), nil }

// Consumers returns the number of consumers.
func (q *MemoryQueue) Consumers(context.Context) (int, error) { return int(q.consumers.Load()), nil }

// SetConsumers sets the number of consumers that the queue reports.
func (q *MemoryQueue) SetConsumers(n int32) { q.consumers.Store(n) }

// Publish adds messages.
func (q *MemoryQueue) Publish(_ context.Context, messages []outbox.Message) []error {
	for _, m := range messages {
		q.Messages <- m
	}
	return make([]error, len(messages))
}

// consume handles messages until ctx ends.
func (q *MemoryQueue) consume(ctx context.Context, w *worker.Worker) error {
	q.consumers.Add(1)
	defer q.consumers.Add(-1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-q.Messages:
			if job, err := imaging.DecodeJob(m.Body); err != nil || job.Reprocess {
				w.Handle(ctx, m.Body)
			}
		}
	}
}
