package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
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

// ObjectDeleter removes objects. What is not there is no error.
type ObjectDeleter interface {
	DeletePrefix(ctx context.Context, prefix string) error
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

// NewDeletionRelay makes the relay that deletes the objects of removed images.
func NewDeletionRelay(store *Store, objects ObjectDeleter, wake <-chan struct{}, log *logrus.Logger) *Relay {
	return NewRelay(store, KindDeleteObjects, 10, each(func(ctx context.Context, row Row) error {
		var p deletionPayload
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return fmt.Errorf("deletion of objects: %w", err)
		}
		return store.deleteObjects(ctx, objects, p.ProductID, p.SHA256)
	}), wake, log)
}

// deletionTime bounds one deletion, which holds a lock: less than a session may
// idle in its transaction.
const deletionTime = 8 * time.Second

// deleteObjects removes what is stored under a digest unless an image of the
// product still has it. The lock is the one of [Jobs.Reserve]: a worker either
// has reserved the digest before, and it is seen here, or stores after the end.
func (s *Store) deleteObjects(ctx context.Context, objects ObjectDeleter, product uuid.UUID, sha256 string) error {
	prefix := objectPrefix(product, sha256)
	const q = `
		SELECT EXISTS (
			SELECT 1 FROM images
			WHERE product_id = $1 AND (source_sha256 = $2 OR EXISTS (
				SELECT 1 FROM jsonb_array_elements(variants) AS v WHERE starts_with(v ->> 'key', $3)))
		)`
	var storeErr error
	err := s.inTxFor(ctx, deletionTime, nil, "delete objects", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := lockObjects(ctx, tx, product, sha256); err != nil {
			return err
		}
		var used bool
		if err := tx.GetContext(ctx, &used, q, product, sha256, prefix); err != nil || used {
			return err
		}
		storeErr = objects.DeletePrefix(ctx, prefix)
		return nil
	})
	if storeErr != nil {
		return fmt.Errorf("delete objects: %w", storeErr)
	}
	return err
}

// objectPrefix is where the objects made from one source are.
func objectPrefix(product uuid.UUID, sha256 string) string {
	return fmt.Sprintf("products/%s/%s/", product, sha256)
}

// lockObjects keeps storing and deleting under one digest apart until tx ends.
func lockObjects(ctx context.Context, tx *sqlx.Tx, product uuid.UUID, sha256 string) error {
	const q = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
	if _, err := tx.ExecContext(ctx, q, objectPrefix(product, sha256)); err != nil {
		return fmt.Errorf("lock objects: %w", err)
	}
	return nil
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
		if err := cache.Drop(ctx, cacheKey(p.ProductID)); err != nil {
			return fmt.Errorf("%w: %w", errNotReached, err)
		}
		return nil
	}), wake, log)
	relay.ready = cache.Check
	return relay
}
