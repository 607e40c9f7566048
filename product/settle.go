package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine/imaging"
)

const (
	// maxDeferralDoublings and maxDeferral bound how far the wait grows while a
	// dependency of our own is down: when it returns, its images follow soon.
	maxDeferralDoublings = 5
	maxDeferral          = time.Minute

	maxDetailBytes = 2000
)

// Settle writes the outcome of a try: the image's new state, the product's next
// version, the try's record and, for a repetition, its job. It gives
// [imaging.ErrLeaseLost] and changes nothing where the claim is no longer the
// image's.
func (j *Jobs) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	if (o.Result == nil) == (o.Err == nil) {
		return errors.New("settle image: an outcome is either a result or an error")
	}
	defer j.store.free()
	ctx = WithRequestID(ctx, c.RequestID)
	_, err := j.service.write(ctx, Everything(), c.ProductID, "settle image", func(ctx context.Context, e *edit) error {
		var row imageRow
		var err error
		switch {
		case o.Result != nil:
			row, err = setReady(ctx, e, c, o.Result)
		case o.Retry:
			row, err = setPending(ctx, e, c, o)
		default:
			row, err = setFailed(ctx, e, c, o)
		}
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("settle image: %w", imaging.ErrLeaseLost)
		}
		if err != nil {
			return fmt.Errorf("settle image: %w", err)
		}
		e.replace(row)
		e.changed = true
		return newAttempt(c, o).insert(ctx, e.tx)
	})
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("settle image: product: %w", imaging.ErrLeaseLost)
	}
	return err
}

// fence keeps whoever has lost the claim from writing.
const fence = ` WHERE id = $1 AND generation = $2 AND lease_owner = $3 AND status = 'processing' `

// unclaim ends the lease.
const unclaim = ` claimed_at = NULL, lease_until = NULL, lease_owner = NULL `

func setReady(ctx context.Context, e *edit, c imaging.Claim, r *imaging.Result) (imageRow, error) {
	const q = `
		UPDATE images SET status = 'ready', settled_at = clock_timestamp(), deferrals = 0, source_sha256 = $4,
			source_bytes = $5, format = $6, width = $7, height = $8, variants = cast($9 AS jsonb),
			placeholder = $10, average_color = $11, animated = $12, recipe = $13, source_etag = $14, source_modified = $15,` + unclaim + fence +
		`RETURNING ` + imageColumns
	var row imageRow
	err := e.tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Owner, r.SourceSHA256,
		r.SourceBytes, r.SourceFormat, r.Width, r.Height, variants(r.Variants),
		null(r.Placeholder), null(r.AverageColor), r.Animated, r.Recipe,
		null(r.Validators.ETag), null(r.Validators.LastModified))
	if err != nil {
		return row, err
	}
	if !sameFocal(row.focalRow, c.Focal) { // it was changed during the try
		e.refocus(c.ImageID, c.Generation)
	}
	if r.SecondPass {
		e.outbox = append(e.outbox, reworkRow(c.ImageID, c.Generation, imaging.ReasonWebP))
	}
	return row, e.giveUpObjects(ctx, e.image(c.ImageID), &row)
}

// setPending makes the image wait for another try. A try that ended by our own
// fault does not count, and each one in a row doubles the wait that was asked for,
// unless a host said how long it wants to be left alone.
func setPending(ctx context.Context, e *edit, c imaging.Claim, o imaging.Outcome) (imageRow, error) {
	const read = `SELECT deferrals FROM images` + fence + `FOR UPDATE`
	deferrals := 0
	if err := e.tx.GetContext(ctx, &deferrals, read, c.ImageID, c.Generation, c.Owner); err != nil {
		return imageRow{}, err
	}
	delay, uncounted := max(0, o.RetryIn), 0
	if o.Err.Ours {
		if o.Err.RetryAfter == 0 { // a host that is put off says itself how long
			delay = max(delay, min(delay<<min(deferrals, maxDeferralDoublings), maxDeferral))
		}
		uncounted, deferrals = 1, deferrals+1
	} else {
		deferrals = 0
	}
	const q = `
		UPDATE images SET status = 'pending', attempts = greatest(attempts - $4, 0), deferrals = $5,
			queued_at = clock_timestamp() + $6 * interval '1 microsecond',` + unclaim + fence +
		`RETURNING ` + imageColumns
	var row imageRow
	if err := e.tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Owner, uncounted, deferrals, delay.Microseconds()); err != nil {
		return imageRow{}, err
	}
	job := jobRow(c.ImageID, c.Generation)
	job.delay = delay
	e.outbox = append(e.outbox, job)
	return row, nil
}

func setFailed(ctx context.Context, e *edit, c imaging.Claim, o imaging.Outcome) (imageRow, error) {
	const q = `
		UPDATE images SET status = 'failed', settled_at = clock_timestamp(), deferrals = 0, dead_lettered = false,
			error_code = $4, error_detail = $5, error_stage = $6, error_retryable = $7,` + unclaim + fence +
		`RETURNING ` + imageColumns
	var row imageRow
	err := e.tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Owner,
		o.Err.Code, storable(o.Err.Detail), failedStage(o), o.Err.Transient || o.Err.Ours)
	return row, err
}

func failedStage(o imaging.Outcome) imaging.Stage {
	if o.Err.Stage != "" {
		return o.Err.Stage
	}
	return o.Stage
}

// storable makes a text from outside one that PostgreSQL takes, so that no
// source can keep its image from being settled.
func storable(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	if len(s) > maxDetailBytes {
		s = strings.ToValidUTF8(s[:maxDetailBytes], "")
	}
	return s
}

func newAttempt(c imaging.Claim, o imaging.Outcome) *attemptRow {
	r := &attemptRow{
		ImageID: c.ImageID, Generation: c.Generation, Attempt: max(c.Attempt, 1), Stage: o.Stage,
		Worker: c.Owner, RequestID: c.RequestID, StartedAt: o.Started, DurationMS: max(0, o.Duration.Milliseconds()),
	}
	switch {
	case o.Result != nil:
		r.Outcome, r.Detail = outcomeReady, null(storable(o.Result.Note))
		return r
	case !o.Retry:
		r.Outcome = outcomeFailed
	case o.Err.Ours:
		r.Outcome = outcomeHandedBack
	default:
		r.Outcome = outcomeRetry
	}
	r.Code, r.Detail, r.Stage = null(string(o.Err.Code)), null(storable(o.Err.Detail)), failedStage(o)
	return r
}
