package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// Message is a job as it is sent to the queue.
type Message = struct {
	ID   string
	Body []byte
}

// Publisher sends messages to the queue, and reports how many messages and consumers it
// has.
type Publisher interface {
	// Publish returns one error per message, nil if the broker has confirmed it, and
	// does not block past ctx.
	Publish(ctx context.Context, messages []Message) []error
	// Depth is how many messages wait for a consumer.
	Depth(ctx context.Context) (int, error)
	// Consumers is how many processes consume the queue.
	Consumers(ctx context.Context) (int, error)
}

// minWaiting is the least number of jobs that may wait in the queue, ahead of a new owner's
// first job. Workers take them while the relay fetches the next ones, which it does when half
// are left.
const minWaiting = 32

// QueueTimeout bounds how long the broker may take to report the depth of the queue or
// its consumers.
const QueueTimeout = 3 * time.Second

// jobBatch is how many jobs are sent together at most.
const jobBatch = 100

// Limits bounds the image jobs that have left the outbox.
type Limits struct {
	// PerOwner is how many jobs of one owner are in flight at once: sent to the queue and
	// not settled. First processing and reprocessing are counted separately.
	PerOwner int
	// Waiting is roughly how many jobs of all owners wait in the queue; at least 32. Twice
	// the workers of a replica keep it busy.
	Waiting int
	// Reprocess is how many reprocessing jobs are in flight at once for each process
	// that consumes the queue; 1 at least.
	Reprocess int
	// Overdue is how long a reprocessing job waits at most for images that are not
	// ready yet; 5 minutes.
	Overdue time.Duration
}

func (l Limits) withDefaults() Limits {
	l.Waiting, l.Reprocess = max(l.Waiting, minWaiting), max(l.Reprocess, 1)
	if l.Overdue <= 0 {
		l.Overdue = 5 * time.Minute
	}
	return l
}

// NewJobRelay returns the relay that sends image jobs to the queue, within limits and
// with the owners taking turns; the backlog stays in the outbox. An owner's jobs of one
// priority are sent in the order in which they became due. Reprocessing jobs are sent
// while no image waits for its first processing and the queue is empty, or once they are
// overdue; those that a client asked for are sent first.
func NewJobRelay(outbox *Store, publisher Publisher, limits Limits, wake <-chan struct{}, log *logrus.Logger) *Relay {
	relay := NewRelay(outbox, KindImageJob, jobBatch, func(ctx context.Context, rows []Claimed) []error {
		return publishJobs(ctx, publisher, rows)
	}, wake, log)
	claimer := &jobClaimer{outbox: outbox, queue: publisher, limits: limits.withDefaults()}
	relay.claim, relay.freed = claimer.claim, outbox.freed
	return relay
}

// jobClaimer claims the next jobs to send. One relay uses it, without concurrency.
type jobClaimer struct {
	outbox *Store
	queue  Publisher
	limits Limits
	after  int64 // owner whose turn was the last
}

// claim claims the jobs to send now, if any.
func (c *jobClaimer) claim(ctx context.Context, claim uuid.UUID) ([]Claimed, prospect, error) {
	// Most passes end here: they need neither the broker nor the turn.
	due, err := c.outbox.queueDue(ctx, c.limits.Overdue)
	if err != nil || !due.Priority.Valid {
		return nil, idle, err
	}
	bounded, cancel := context.WithTimeout(ctx, QueueTimeout)
	defer cancel()
	depth, err := c.queue.Depth(bounded)
	if err != nil {
		return nil, idle, fmt.Errorf("read queue depth: %w", err)
	}
	if due.Overdue.Valid {
		rows, err := c.claimReprocess(ctx, claim, Priority(due.Overdue.Int32), depth)
		if err != nil || len(rows) > 0 {
			return rows, more, err
		}
	}
	switch priority := Priority(due.Priority.Int32); {
	case priority == PriorityFirst && depth <= c.limits.Waiting/2:
		return c.take(ctx, claim, jobClaim{priority: priority, depth: depth})
	case priority != PriorityFirst && depth == 0:
		rows, err := c.claimReprocess(ctx, claim, priority, depth)
		if err != nil || len(rows) > 0 {
			return rows, more, err
		}
	}
	return nil, held, nil
}

// claimReprocess takes as many reprocessing jobs as the consumers of the queue may have in
// flight.
func (c *jobClaimer) claimReprocess(ctx context.Context, claim uuid.UUID, priority Priority, depth int) ([]Claimed, error) {
	bounded, cancel := context.WithTimeout(ctx, QueueTimeout)
	defer cancel()
	consumers, err := c.queue.Consumers(bounded)
	if err != nil {
		return nil, fmt.Errorf("count queue consumers: %w", err)
	}
	rows, _, err := c.take(ctx, claim, jobClaim{priority: priority, depth: depth, reprocess: consumers * c.limits.Reprocess})
	return rows, err
}

// take claims jobs and remembers whose turn was the last.
func (c *jobClaimer) take(ctx context.Context, claim uuid.UUID, what jobClaim) ([]Claimed, prospect, error) {
	what.after, what.limits = c.after, c.limits
	jobs, err := c.outbox.claimJobs(ctx, claim, what)
	if err != nil || len(jobs) == 0 {
		return nil, held, err
	}
	c.after = jobs[len(jobs)-1].Owner
	rows := make([]Claimed, len(jobs))
	for i, job := range jobs {
		rows[i] = job.Claimed
	}
	return rows, more, nil
}

// publishJobs sends the rows that can be read as one batch.
func publishJobs(ctx context.Context, publisher Publisher, rows []Claimed) []error {
	errs := make([]error, len(rows))
	var messages []Message
	var places []int
	for i, row := range rows {
		var p jobPayload
		err := json.Unmarshal(row.Payload, &p)
		if err != nil {
			errs[i] = fmt.Errorf("image job: %w", err)
			continue
		}
		job := imaging.Job{ImageID: p.ImageID, Generation: p.Generation, Reprocess: row.Priority > PriorityFirst, RequestID: row.RequestID}
		body, err := job.Encode()
		if err != nil {
			errs[i] = fmt.Errorf("image job: %w", err)
			continue
		}
		messages = append(messages, Message{ID: fmt.Sprintf("%s/%d/%d", p.ImageID, p.Generation, row.ID), Body: body})
		places = append(places, i)
	}
	if len(messages) == 0 {
		return errs
	}
	sent := publisher.Publish(ctx, messages)
	for k, i := range places {
		if k < len(sent) {
			errs[i] = sent[k]
		} else {
			errs[i] = errors.New("image job: the publisher returned no result")
		}
	}
	return errs
}

// Free tells the job relay of this process that a job has left the queue or its worker,
// so that the next one can be sent. Telling one relay is enough, because each relay sends
// the next jobs of all owners.
func (s *Store) Free() {
	select {
	case s.freed <- struct{}{}:
	default: // a signal is waiting already
	}
}
