package job

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"vitrine/product/catalogue"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

const (
	// leaseGrace is how long after its lease's end a worker may still finish.
	leaseGrace = 2 * time.Second
	// requeuePause is the time between two jobs for the same image.
	requeuePause = 30 * time.Second
	// lostAfter is when a job that was sent counts as lost although the queue is not empty.
	lostAfter = 15 * time.Minute
)

// Queue knows how many messages wait for a consumer, and when this process last created the
// queue because it was missing (zero: never). What was sent before that is lost.
type Queue interface {
	Depth(ctx context.Context) (int, error)
	Created() time.Time
}

// requeueSQL ends statements that enqueue a new job for the images in due, which has the columns
// id, generation, request_id and priority. Locked rows are in use and wait for the next pass.
const requeueSQL = `,
	marked AS (
		UPDATE images SET queued_at = clock_timestamp(), sent = false FROM due WHERE images.id = due.id
	),
	written AS (
		INSERT INTO outbox (kind, subject, payload, request_id, priority)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', generation), request_id, priority FROM due
		RETURNING kind
	)
	SELECT count(*), pg_notify('` + outbox.Channel + `', 'image_job') FROM written HAVING count(*) > 0`

// RequeueExpired enqueues new jobs for images whose lease has expired. It is a step of the reconciler.
func RequeueExpired(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const q = `
		WITH due AS (
			SELECT id, generation, request_id,` + catalogue.JobPrioritySQL + `AS priority FROM images
			WHERE lease_holder IS NOT NULL AND lease_until < now() - $1 * interval '1 microsecond'
				AND queued_at < now() - $2 * interval '1 microsecond'
				AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_job')
			ORDER BY lease_until
			LIMIT $3
			FOR UPDATE SKIP LOCKED
		)` + requeueSQL
	return countRequeued(ctx, tx, q, leaseGrace.Microseconds(), requeuePause.Microseconds(), postgres.ReconcileBatch)
}

// RequeueLost returns a step of the reconciler that enqueues new jobs for images whose message
// must have been lost: it was sent before the queue was created, or half a minute ago and the
// queue is empty, or 15 minutes ago.
func RequeueLost(ctx context.Context, queue Queue) func(context.Context, *sqlx.Tx) (rows int64, more bool, err error) {
	longest := lostAfter
	bounded, cancel := context.WithTimeout(ctx, outbox.QueueTimeout)
	defer cancel()
	if depth, err := queue.Depth(bounded); err == nil && depth == 0 {
		longest = requeuePause
	}
	const q = `
		WITH due AS (
			SELECT id, generation, request_id,` + catalogue.JobPrioritySQL + `AS priority FROM images
			WHERE (status = 'pending' OR reprocess <> '{}') AND lease_holder IS NULL AND queued_at < statement_timestamp() - $1 * interval '1 microsecond'
				AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_job')
			ORDER BY queued_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)` + requeueSQL
	return func(ctx context.Context, tx *sqlx.Tx) (int64, bool, error) {
		age := longest
		if created := queue.Created(); !created.IsZero() {
			// As an age, since the two clocks may differ.
			age = min(age, time.Since(created))
		}
		return countRequeued(ctx, tx, q, age.Microseconds(), postgres.ReconcileBatch)
	}
}

// countRequeued runs a statement that ends with requeueSQL.
func countRequeued(ctx context.Context, tx *sqlx.Tx, q string, args ...any) (rows int64, more bool, err error) {
	var found []struct {
		Count  int64  `db:"count"`
		Notify string `db:"pg_notify"`
	}
	if err := tx.SelectContext(ctx, &found, q, args...); err != nil {
		return 0, false, fmt.Errorf("requeue: %w", err)
	}
	if len(found) == 0 {
		return 0, false, nil
	}
	return found[0].Count, found[0].Count == postgres.ReconcileBatch, nil
}
