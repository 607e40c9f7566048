package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/deadletter"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

const (
	// maxDeferralDoublings and maxDeferral bound the wait while a dependency of our own
	// is down, so that the images follow soon after it returns.
	maxDeferralDoublings = 5
	maxDeferral          = time.Minute
)

// Settle writes the outcome of an attempt: the image's new state, the product's next
// version if clients see a difference, the record of the attempt and the job that
// follows, if any. It returns [imaging.ErrLeaseLost] and changes nothing if the claim no
// longer has the lease.
func (j *Store) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	if (o.Result == nil) == (o.Err == nil) {
		return errors.New("settle image: an outcome is either a result or an error")
	}
	defer j.freed()
	ctx = product.WithRequestID(ctx, c.RequestID)
	_, err := j.catalogue.Write(ctx, product.Everything(), c.ProductID, "settle image", func(ctx context.Context, e *catalogue.Edit) error {
		if !e.Has(c.ImageID) {
			return fmt.Errorf("settle image: %w", imaging.ErrLeaseLost)
		}
		row, err := settle(ctx, e, c, o)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("settle image: %w", imaging.ErrLeaseLost)
		}
		if err != nil {
			return fmt.Errorf("settle image: %w", err)
		}
		e.SetImage(row)
		return newAttempt(c, o).insert(ctx, e.Tx)
	})
	if errors.Is(err, product.ErrNotFound) {
		return fmt.Errorf("settle image: product: %w", imaging.ErrLeaseLost)
	}
	return err
}

// settle writes the outcome to the image. The error is [sql.ErrNoRows] if the claim no
// longer has the lease.
func settle(ctx context.Context, e *catalogue.Edit, c imaging.Claim, o imaging.Outcome) (catalogue.ImageRow, error) {
	switch {
	case o.Retry:
		return setDue(ctx, e, c, o)
	case o.Unchanged:
		return keepReady(ctx, e, c, o.Result.Validators)
	case o.Result != nil:
		return setReady(ctx, e, c, o.Result)
	case c.Reprocess:
		return keepReady(ctx, e, c, c.Was.Validators)
	}
	return setFailed(ctx, e, c, o)
}

// fenceSQL keeps a worker that has lost its lease from writing.
const fenceSQL = ` WHERE id = $1 AND generation = $2 AND lease_holder = $3 `

// endLeaseSQL ends the lease in the SET clause of an UPDATE of images. A job that was sent
// because the lease had expired has nothing to do any more, so it does not count as in flight.
const endLeaseSQL = ` claimed_at = NULL, lease_until = NULL, lease_holder = NULL, reprocessing = NULL, sent = false `

// settledRow is an image whose job has ended, with the reasons for reprocessing that are due.
type settledRow struct {
	catalogue.ImageRow
	Reprocess pq.StringArray `db:"reprocess"`
}

// setReady writes the result of a first processing or of reprocessing.
func setReady(ctx context.Context, e *catalogue.Edit, c imaging.Claim, r *imaging.Result) (catalogue.ImageRow, error) {
	const q = `
		UPDATE images SET status = 'ready', deferrals = 0, attempts = 0, queued_at = clock_timestamp(),
			ready_attempts = CASE WHEN status = 'ready' THEN ready_attempts ELSE attempts END,
			settled_at = CASE WHEN status = 'ready' THEN settled_at ELSE clock_timestamp() END,
			reprocess = CASE WHEN $16 THEN array_append(reprocess, 'webp') ELSE reprocess END, source_sha256 = $4,
			source_bytes = $5, format = $6, width = $7, height = $8, variants = cast($9 AS jsonb),
			placeholder = $10, average_color = $11, animated = $12, pipeline_version = $13, source_etag = $14, source_modified = $15,` + endLeaseSQL + fenceSQL +
		`RETURNING reprocess, ` + catalogue.ImageColumns
	var row settledRow
	err := e.Tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Holder, r.SourceSHA256,
		r.SourceBytes, r.SourceFormat, r.Width, r.Height, catalogue.Variants(r.Variants),
		postgres.EmptyToNull(r.Placeholder), postgres.EmptyToNull(r.AverageColor), r.Animated, r.PipelineVersion,
		postgres.EmptyToNull(r.Validators.ETag), postgres.EmptyToNull(r.Validators.LastModified), r.WebPDue)
	if err != nil {
		return catalogue.ImageRow{}, err
	}
	before := *e.Image(c.ImageID)
	e.Changed = e.Changed || !c.Reprocess || !slices.Equal(before.Variants, row.Variants)
	if err := e.DeleteUnusedObjects(ctx, &before, &row.ImageRow); err != nil {
		return catalogue.ImageRow{}, err
	}
	if !c.Reprocess && !catalogue.SameFocal(row.FocalRow, c.Focal) { // the focal point changed during the attempt
		err := e.Reprocess(ctx, imaging.ReasonFocal, c.ImageID)
		return row.ImageRow, err
	}
	return row.ImageRow, endJob(ctx, e, c, row.Reprocess)
}

// keepReady ends reprocessing that leaves the image as it is.
func keepReady(ctx context.Context, e *catalogue.Edit, c imaging.Claim, v imaging.Validators) (catalogue.ImageRow, error) {
	const q = `
		UPDATE images SET source_etag = $4, source_modified = $5, deferrals = 0, attempts = 0, queued_at = clock_timestamp(),` +
		endLeaseSQL + fenceSQL + `AND status = 'ready' RETURNING reprocess, ` + catalogue.ImageColumns
	var row settledRow
	err := e.Tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Holder, postgres.EmptyToNull(v.ETag), postgres.EmptyToNull(v.LastModified))
	if err != nil {
		return catalogue.ImageRow{}, err
	}
	if err := e.DeleteUnusedObjects(ctx, &row.ImageRow, &row.ImageRow); err != nil {
		return catalogue.ImageRow{}, err
	}
	return row.ImageRow, endJob(ctx, e, c, row.Reprocess)
}

// endJob enqueues the next job of a ready image, if a reason is due, and deletes the original
// if the job was the last one that needed it.
func endJob(ctx context.Context, e *catalogue.Edit, c imaging.Claim, due []string) error {
	if len(due) > 0 {
		e.Enqueue(c.ImageID, c.Generation, catalogue.PriorityOf(due))
	}
	if c.Reason != imaging.ReasonWebP {
		return nil
	}
	return deleteOriginal(ctx, e, c)
}

// setDue makes the image wait for a retry. An attempt that ended by a fault of our own
// dependencies does not count; each such fault in a row doubles the wait, unless a host has
// said when to retry. A ready image stays ready; if a more urgent reason for reprocessing is due
// by now, its attempts are counted from 1.
func setDue(ctx context.Context, e *catalogue.Edit, c imaging.Claim, o imaging.Outcome) (catalogue.ImageRow, error) {
	const read = `SELECT deferrals FROM images` + fenceSQL + `FOR UPDATE`
	deferrals := 0
	if err := e.Tx.GetContext(ctx, &deferrals, read, c.ImageID, c.Generation, c.Holder); err != nil {
		return catalogue.ImageRow{}, err
	}
	delay, uncounted := max(0, o.RetryIn), 0
	if o.Err.Ours {
		if o.Err.RetryAfter == 0 { // otherwise the host has said how long to wait
			delay = max(delay, min(delay<<min(deferrals, maxDeferralDoublings), maxDeferral))
		}
		uncounted, deferrals = 1, deferrals+1
	} else {
		deferrals = 0
	}
	const q = `
		UPDATE images SET status = CASE WHEN status = 'ready' THEN 'ready' ELSE 'pending' END, reprocess = ` + catalogue.DueReasonsSQL + `,
			attempts = CASE WHEN` + catalogue.MostUrgentReasonSQL + `<> reprocessing THEN 0 ELSE greatest(attempts - $4, 0) END, deferrals = $5,
			queued_at = clock_timestamp() + $6 * interval '1 microsecond',` + endLeaseSQL + fenceSQL +
		`RETURNING reprocess, ` + catalogue.ImageColumns
	var row settledRow
	if err := e.Tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Holder, uncounted, deferrals, delay.Microseconds()); err != nil {
		return catalogue.ImageRow{}, err
	}
	priority := outbox.PriorityFirst
	if c.Reprocess {
		priority = catalogue.PriorityOf(row.Reprocess)
	}
	job := outbox.Job(c.ImageID, c.Generation, priority)
	job.Delay = delay
	e.Outbox = append(e.Outbox, job)
	e.Changed = e.Changed || !c.Reprocess
	return row.ImageRow, nil
}

// setFailed ends a first processing for good and files its dead letter.
func setFailed(ctx context.Context, e *catalogue.Edit, c imaging.Claim, o imaging.Outcome) (catalogue.ImageRow, error) {
	const q = `
		UPDATE images SET status = 'failed', settled_at = clock_timestamp(), deferrals = 0,
			error_code = $4, error_detail = $5, error_stage = $6, error_retryable = $7,` + endLeaseSQL + fenceSQL +
		`RETURNING ` + catalogue.ImageColumns
	var row catalogue.ImageRow
	err := e.Tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Holder,
		o.Err.Code, product.SanitizeText(o.Err.Detail), failedStage(o), o.Err.Transient || o.Err.Ours)
	if err != nil {
		return catalogue.ImageRow{}, err
	}
	e.Changed = true
	return row, deadletter.FileFailedImage(ctx, e.Tx, c.Job)
}

// failedStage returns the stage in which the attempt failed.
func failedStage(o imaging.Outcome) imaging.Stage {
	if o.Err.Stage != "" {
		return o.Err.Stage
	}
	return o.Stage
}

// newAttempt returns the record of the attempt with this outcome.
func newAttempt(c imaging.Claim, o imaging.Outcome) *attemptRow {
	r := &attemptRow{
		ImageID: c.ImageID, Generation: c.Generation, Attempt: max(c.Attempt, 1), Stage: o.Stage,
		Worker: c.Holder, RequestID: c.RequestID, StartedAt: o.Started, DurationMS: max(0, o.Duration.Milliseconds()),
	}
	switch {
	case o.Result != nil && c.Reprocess:
		r.Outcome, r.Detail = outcomeReprocessed, postgres.EmptyToNull(string(c.Reason))
		if o.Unchanged {
			r.Outcome = outcomeUnchanged
		}
		return r
	case o.Result != nil:
		r.Outcome, r.Detail = outcomeReady, postgres.EmptyToNull(product.SanitizeText(o.Result.Note))
		return r
	case !o.Retry && c.Reprocess:
		r.Outcome = outcomeKept
	case !o.Retry:
		r.Outcome = outcomeFailed
	case o.Err.Ours:
		r.Outcome = outcomeHandedBack
	default:
		r.Outcome = outcomeRetry
	}
	detail := o.Err.Detail
	if c.Reprocess {
		detail = string(c.Reason) + ": " + detail
	}
	r.Code, r.Detail, r.Stage = postgres.EmptyToNull(string(o.Err.Code)), postgres.EmptyToNull(product.SanitizeText(detail)), failedStage(o)
	return r
}
