package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// Message is a job on its way to the queue, in the form in which the queue takes it.
type Message = struct {
	ID   string
	Body []byte
}

// Publisher sends messages to the queue, and counts those that wait there.
type Publisher interface {
	// Publish gives one error per message, nil for one that the broker has
	// confirmed, and does not block past ctx.
	Publish(ctx context.Context, messages []Message) []error
	// Depth is how many messages wait for a consumer.
	Depth(ctx context.Context) (int, error)
}

// minWaiting is how many jobs may always wait in the queue: so many are in front of
// whoever has just come. Workers take them from there while the relay fetches the
// next, which takes it some hundredths of a second. It does so when half are left.
const minWaiting = 32

// jobBatch is how many jobs are sent together at most.
const jobBatch = 100

// JobLimits bounds the image jobs that have left the outbox.
type JobLimits struct {
	// PerOwner is how many jobs of one owner are in flight at once: on their way
	// to the queue, in it, or at work.
	PerOwner int
	// Waiting is how many jobs of all owners wait in the queue, about, and 32 at
	// least. Twice the workers of a replica keep it busy.
	Waiting int
}

// NewJobRelay makes the relay that sends image jobs to the queue, by turns of
// their owners and within limits: the backlog stays in the outbox. An owner's jobs
// go in the order in which they became due.
func NewJobRelay(store *Store, publisher Publisher, limits JobLimits, wake <-chan struct{}, log *logrus.Logger) *Relay {
	limits.Waiting = max(limits.Waiting, minWaiting)
	relay := NewRelay(store, KindImageJob, jobBatch, func(ctx context.Context, rows []Row) []error {
		return publishJobs(ctx, publisher, rows)
	}, wake, log)
	claimer := &jobClaimer{store: store, depth: publisher.Depth, limits: limits}
	relay.claim, relay.freed = claimer.claim, store.freed
	return relay
}

// jobClaimer chooses the jobs to be sent. It is for one relay.
type jobClaimer struct {
	store  *Store
	depth  func(context.Context) (int, error)
	limits JobLimits
	after  int64 // whose turn was the last
}

func (c *jobClaimer) claim(ctx context.Context, claim uuid.UUID) ([]Row, prospect, error) {
	// Most passes end here: they need neither the broker nor the turn.
	due, err := c.store.lineUp(ctx)
	if err != nil || !due {
		return nil, idle, err
	}
	bounded, cancel := context.WithTimeout(ctx, depthTimeout)
	defer cancel()
	depth, err := c.depth(bounded)
	if err != nil {
		return nil, idle, fmt.Errorf("depth of the queue: %w", err)
	}
	if depth > c.limits.Waiting/2 {
		return nil, held, nil
	}
	jobs, err := c.store.claimJobs(ctx, claim, c.after, depth, c.limits)
	if err != nil || len(jobs) == 0 {
		return nil, held, err
	}
	c.after = jobs[len(jobs)-1].Owner
	rows := make([]Row, len(jobs))
	for i, job := range jobs {
		rows[i] = job.Row
	}
	return rows, more, nil
}

// publishJobs sends the rows that can be read as one batch.
func publishJobs(ctx context.Context, publisher Publisher, rows []Row) []error {
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
		job := imaging.Job{ImageID: p.ImageID, Generation: p.Generation, RequestID: row.RequestID}
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
			errs[i] = errors.New("image job: the publisher gave no answer")
		}
	}
	return errs
}

// free tells the job relay of this process that a job has left the queue, or its
// worker, so that the next one can go. The relays of other processes need not know:
// whichever learns of it sends what is next of all.
func (s *Store) free() {
	select {
	case s.freed <- struct{}{}:
	default: // it has been told and did not look yet
	}
}
