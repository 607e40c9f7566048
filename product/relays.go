package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// Message is a job on its way to the queue.
type Message struct {
	ID   string
	Body []byte
}

// Publisher sends messages to the queue. It gives one error per message, nil for
// one that the broker has confirmed, and does not block past ctx.
type Publisher interface {
	Publish(ctx context.Context, messages []Message) []error
}

// NewJobRelay makes the relay that sends image jobs to the queue.
func NewJobRelay(store *Store, publisher Publisher, wake <-chan struct{}, log *logrus.Logger) *Relay {
	return NewRelay(store, KindImageJob, 100, func(ctx context.Context, rows []Row) []error {
		errs := publishJobs(ctx, publisher, rows)
		if err := store.markQueued(ctx, rows, errs); err != nil {
			// Only a hint for the reconciler, which may send them twice now.
			log.WithError(err).Debug("queue times were not updated")
		}
		return errs
	}, wake, log)
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

// markQueued notes when jobs reached the queue, so that the reconciler counts
// from then and not from when they were written. Rows that somebody has locked
// are being worked on: they are passed over.
func (s *Store) markQueued(ctx context.Context, rows []Row, errs []error) error {
	var images []string
	for i, row := range rows {
		if errs[i] == nil {
			images = append(images, row.Subject.String())
		}
	}
	if len(images) == 0 {
		return nil
	}
	const q = `
		WITH sent AS (
			SELECT id FROM images
			WHERE id = ANY (cast($1 AS uuid[])) AND status = 'pending' AND queued_at < now() - interval '5 seconds'
			ORDER BY id
			FOR UPDATE SKIP LOCKED
		)
		UPDATE images SET queued_at = now() FROM sent WHERE images.id = sent.id`
	return s.inTx(ctx, "mark queued", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, pq.Array(images))
		return err
	})
}

// Dropper removes keys from the cache, and says whether it can be reached.
type Dropper interface {
	Drop(ctx context.Context, key string) error
	Check(ctx context.Context) error
}

// NewInvalidationRelay makes the relay that drops from the cache what was
// written while the cache could not be reached.
//
// A replica that alone is cut off from the cache must not hold up the others: it
// claims nothing while it cannot reach the cache, and what it has claimed at the
// moment when it is cut off is due for them at once.
func NewInvalidationRelay(store *Store, cache Dropper, wake <-chan struct{}, log *logrus.Logger) *Relay {
	relay := NewRelay(store, KindInvalidate, 100, each(func(ctx context.Context, row Row) error {
		var p invalidationPayload
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return fmt.Errorf("invalidation: %w", err)
		}
		if err := cache.Drop(ctx, p.cacheKey()); err != nil {
			return fmt.Errorf("%w: %w", errNotReached, err)
		}
		return nil
	}), wake, log)
	relay.ready = cache.Check
	return relay
}
