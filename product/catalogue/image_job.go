package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// PriorityOf returns the priority of a reprocessing job with these reasons.
func PriorityOf(reasons []string) outbox.Priority {
	if slices.Contains(reasons, string(imaging.ReasonFocal)) || slices.Contains(reasons, string(imaging.ReasonReprocess)) {
		return outbox.PriorityAsked
	}
	return outbox.PriorityRoutine
}

const (
	// DueReasonsSQL is an expression over a row of images: the reasons for which an image
	// without a valid lease has to be reprocessed. These are the waiting reasons and the
	// reason of an attempt whose lease has expired.
	DueReasonsSQL = ` array_remove(array_append(array_remove(reprocess, reprocessing), reprocessing), NULL) `
	// MostUrgentReasonSQL is the due reason to handle first, or null if no reason is due.
	MostUrgentReasonSQL = ` (SELECT reason FROM unnest(` + DueReasonsSQL + `) AS reason
		ORDER BY array_position(ARRAY['focal', 'reprocess', 'pipeline', 'webp'], reason) LIMIT 1) `
	// JobPrioritySQL is the priority of an image's next job, as [PriorityOf] computes it.
	JobPrioritySQL = ` CASE WHEN status <> 'ready' THEN 0 WHEN ` + DueReasonsSQL + ` && ARRAY['focal', 'reprocess'] THEN 1 ELSE 2 END `
)

// Enqueue adds a job for the image to the outbox.
func (e *Edit) Enqueue(image uuid.UUID, generation int64, priority outbox.Priority) {
	e.Outbox = append(e.Outbox, outbox.Job(image, generation, priority))
}

// ReprocessSQL continues a WITH clause. It makes reprocessing due for reason $1, with priority
// $2 and request id $3, for the ready images in todo, a preceding query with a column id. The
// main query can read asked (the images) and notified.
//
// A reason that is due already is not added twice. The reason of an attempt in progress
// is added again, because the attempt may have read old data. A job waiting in the outbox
// becomes as urgent as the new one. An image with a lease gets its job when the attempt
// is settled.
const ReprocessSQL = `,
	asked AS (
		UPDATE images SET reprocess = array_append(reprocess, $1), request_id = $3, sent = false,
			attempts = CASE WHEN lease_holder IS NULL THEN 0 ELSE attempts END,
			deferrals = CASE WHEN lease_holder IS NULL THEN 0 ELSE deferrals END,
			queued_at = CASE WHEN lease_holder IS NULL THEN clock_timestamp() ELSE queued_at END
		FROM todo WHERE images.id = todo.id AND images.status = 'ready' AND NOT $1 = ANY (images.reprocess)
		RETURNING images.id, images.generation, images.lease_holder IS NULL AS free
	),
	raised AS (
		UPDATE outbox SET priority = least(priority, $2), available_at = least(available_at, statement_timestamp())
		FROM asked
		WHERE kind = 'image_job' AND subject = asked.id AND asked.free AND priority > 0
			AND cast(payload ->> 'generation' AS bigint) = asked.generation
			AND (claimed_until IS NULL OR claimed_until < statement_timestamp())
		RETURNING subject
	),
	written AS (
		INSERT INTO outbox (kind, subject, payload, request_id, priority)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', generation), $3, $2
		FROM asked WHERE free AND id NOT IN (SELECT subject FROM raised)
		RETURNING kind
	),
	notified AS (
		SELECT pg_notify('` + outbox.Channel + `', 'image_job') FROM asked LIMIT 1
	)`

// Reprocess enqueues reprocessing of ready images of the product. They stay ready meanwhile.
func (e *Edit) Reprocess(ctx context.Context, reason imaging.Reason, images ...uuid.UUID) error {
	if len(images) == 0 {
		return nil
	}
	const q = `
		WITH todo AS (SELECT id FROM unnest(cast($4 AS uuid[])) AS todo (id))` + ReprocessSQL + `
		SELECT count(*) FROM notified`
	_, err := e.Tx.ExecContext(ctx, q, string(reason), PriorityOf([]string{string(reason)}), product.RequestID(ctx), postgres.UUIDArray(images))
	if err != nil {
		return fmt.Errorf("enqueue reprocessing: %w", err)
	}
	return nil
}

// Requeue enqueues a job again after delay if its image has no lease and no other job in the
// outbox.
func Requeue(ctx context.Context, tx *sqlx.Tx, job imaging.Job, delay time.Duration) error {
	const q = `
		UPDATE images SET queued_at = clock_timestamp() + $3 * interval '1 microsecond', sent = false
		WHERE id = $1 AND generation = $2 AND lease_holder IS NULL AND (status = 'pending' OR reprocess <> '{}')
			AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = $1 AND kind = 'image_job' AND (priority > 0) = (status = 'ready')
				AND (claimed_until IS NULL OR claimed_until < statement_timestamp()))
		RETURNING ` + JobPrioritySQL
	var priority outbox.Priority
	err := tx.GetContext(ctx, &priority, q, job.ImageID, job.Generation, delay.Microseconds())
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("requeue job: %w", err)
	}
	row := outbox.Job(job.ImageID, job.Generation, priority)
	row.Delay = delay
	return outbox.Insert(ctx, tx, []outbox.Row{row})
}
