package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
)

// Jobs is the images as the workers see them. What clients can see of a step
// goes through the service's write path. It implements [imaging.JobStore].
type Jobs struct {
	service *Service
	store   *Store
}

var _ imaging.JobStore = (*Jobs)(nil)

// NewJobs makes the job store of a service.
func NewJobs(service *Service) *Jobs {
	return &Jobs{service: service, store: service.store}
}

// claimable is what decides whether an image can be claimed.
type claimable struct {
	ProductID    int64          `db:"product_id"`
	Generation   int64          `db:"generation"`
	Status       imaging.Status `db:"status"`
	DeadLettered bool           `db:"dead_lettered"`
	Due          bool           `db:"due"`
}

// Claim takes the job's image for owner: one that is pending and due, or whose
// worker let its lease run out. It counts the try. Where owner has the image
// already, since the answer to an earlier call was lost, it renews the lease and
// gives the same claim. Errors: those of [imaging.JobStore], and [ErrUnavailable].
func (j *Jobs) Claim(ctx context.Context, job imaging.Job, owner string, lease time.Duration) (imaging.Claim, error) {
	defer j.store.free()
	ctx = WithRequestID(ctx, job.RequestID)
	// Late and repeated messages are common after an outage: they end here,
	// without a lock and without touching the cache.
	product, err := j.look(ctx, job, owner)
	if err != nil {
		return imaging.Claim{}, err
	}
	claim := imaging.Claim{Job: job, ProductID: product, Owner: owner}
	_, err = j.service.write(ctx, Everything(), product, "claim image", func(ctx context.Context, e *edit) error {
		claim.ObjectKey = e.product.ObjectKey
		row, lost, err := claimImage(ctx, e.tx, &claim, lease)
		if err != nil {
			return err
		}
		e.changed = !row.Mine
		e.replace(row.imageRow)
		return lost.insert(ctx, e.tx)
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return imaging.Claim{}, fmt.Errorf("claim image: product: %w", imaging.ErrNothingToDo)
	case err != nil:
		return imaging.Claim{}, err
	}
	return claim, nil
}

// look gives the product of a job's image that can probably be claimed. All
// times are the database's: no other clock decides who has an image. The clock
// is read when the row is, not when the transaction began.
func (j *Jobs) look(ctx context.Context, job imaging.Job, owner string) (int64, error) {
	const q = `
		SELECT product_id, generation, status, dead_lettered,
			coalesce(CASE status
				WHEN 'pending' THEN queued_at <= clock_timestamp()
				WHEN 'processing' THEN lease_owner = $2 OR lease_until < clock_timestamp()
			END, false) AS due
		FROM images WHERE id = $1`
	var c claimable
	err := j.store.read(ctx, "look up image", func(ctx context.Context) error {
		return j.store.db.GetContext(ctx, &c, q, job.ImageID, owner)
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, fmt.Errorf("image is gone: %w", imaging.ErrNothingToDo)
	case err != nil:
		return 0, err
	case c.Generation != job.Generation:
		return 0, fmt.Errorf("generation %d, not %d: %w", c.Generation, job.Generation, imaging.ErrNothingToDo)
	case c.Status == imaging.Failed && !c.DeadLettered:
		return 0, fmt.Errorf("image %s: %w", job.ImageID, imaging.ErrAlreadyFailed)
	case !c.Due:
		return 0, fmt.Errorf("image is %s: %w", c.Status, imaging.ErrNothingToDo)
	}
	return c.ProductID, nil
}

// claimedRow is an image that was claimed, and what it was before.
type claimedRow struct {
	imageRow
	Deferrals    int            `db:"deferrals"`
	Mine         bool           `db:"mine"` // the claim's owner had it already
	OldAttempts  int            `db:"old_attempts"`
	OldClaimedAt sql.NullTime   `db:"old_claimed_at"`
	OldOwner     sql.NullString `db:"old_owner"`
	OldUntil     sql.NullTime   `db:"old_until"`
	OldRequestID string         `db:"old_request_id"`
}

// claimImage makes the claim if the image is still to be had, and completes c.
// Another's try that was under way is given back as lost.
func claimImage(ctx context.Context, tx *sqlx.Tx, c *imaging.Claim, lease time.Duration) (claimedRow, *attemptRow, error) {
	const q = `
		WITH old AS (
			SELECT id, status, attempts, request_id, claimed_at, lease_owner, lease_until,
				status = 'processing' AND lease_owner = $3 AS mine
			FROM images
			WHERE id = $1 AND generation = $2 AND (
				status = 'pending' AND queued_at <= clock_timestamp() OR
				status = 'processing' AND (lease_owner = $3 OR lease_until < clock_timestamp()))
			FOR UPDATE
		)
		UPDATE images SET status = 'processing', sent = false,
			attempts = CASE WHEN old.mine THEN old.attempts ELSE old.attempts + 1 END,
			claimed_at = CASE WHEN old.mine THEN old.claimed_at ELSE clock_timestamp() END,
			lease_owner = $3, lease_until = clock_timestamp() + $4 * interval '1 microsecond'
		FROM old WHERE images.id = old.id
		RETURNING images.id, images.position, images.source, images.alt, images.focal_x, images.focal_y, images.status, images.attempts, images.deferrals, images.error_code,
			images.error_detail, images.error_retryable, images.source_sha256, images.placeholder, images.average_color, images.animated,
			images.variants,
			coalesce(old.mine, false) AS mine, old.attempts AS old_attempts, old.claimed_at AS old_claimed_at, old.lease_owner AS old_owner,
			old.lease_until AS old_until, old.request_id AS old_request_id`
	var row claimedRow
	err := tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Owner, lease.Microseconds())
	if errors.Is(err, sql.ErrNoRows) {
		return claimedRow{}, nil, fmt.Errorf("claim image: %w", imaging.ErrNothingToDo)
	}
	if err != nil {
		return claimedRow{}, nil, fmt.Errorf("claim image: %w", err)
	}
	c.Source, c.Focal, c.Attempt, c.Deferrals = row.Source, row.point(), row.Attempts, row.Deferrals
	if !row.OldOwner.Valid || row.Mine {
		return row, nil, nil
	}
	return row, &attemptRow{
		ImageID: c.ImageID, Generation: c.Generation, Attempt: row.OldAttempts, Stage: imaging.StageClaim,
		Outcome: outcomeLost, Code: null(string(imaging.CodeWorkerCrashed)), Detail: null("the worker's lease ran out"),
		Worker: row.OldOwner.String, RequestID: row.OldRequestID, StartedAt: row.OldClaimedAt.Time,
		DurationMS: max(0, row.OldUntil.Time.Sub(row.OldClaimedAt.Time).Milliseconds()),
	}, nil
}

// replace puts a changed image in the place of its old state.
func (e *edit) replace(row imageRow) {
	for i := range e.images {
		if e.images[i].ID == row.ID {
			e.images[i] = row
		}
	}
}

// Renew prolongs the lease to lease from now, or gives [imaging.ErrLeaseLost]. A
// lease that has run out is renewed as long as nobody took over.
func (j *Jobs) Renew(ctx context.Context, c imaging.Claim, lease time.Duration) error {
	const q = `
		UPDATE images SET lease_until = clock_timestamp() + $4 * interval '1 microsecond'
		WHERE id = $1 AND generation = $2 AND lease_owner = $3 AND status = 'processing'`
	return j.store.inTx(ctx, "renew lease", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, c.ImageID, c.Generation, c.Owner, lease.Microseconds())
		return oneRow(result, err, imaging.ErrLeaseLost)
	})
}

// Reserve records the digest under which the claim is about to store objects.
// While a deletion of the same objects is under way it waits for its end. The
// objects of another digest that the image had before are given up.
//
// The twin that it gives is read under the same lock, and by then the image is one
// of those that the digest's objects are kept for.
func (j *Jobs) Reserve(ctx context.Context, c imaging.Claim, sha256 string) (twin *imaging.Result, err error) {
	ctx = WithRequestID(ctx, c.RequestID)
	const q = `
		WITH old AS (SELECT id, source_sha256 FROM images WHERE id = $1 FOR UPDATE)
		UPDATE images SET source_sha256 = $4
		FROM old
		WHERE images.id = old.id AND generation = $2 AND lease_owner = $3 AND status = 'processing'
		RETURNING old.source_sha256`
	err = j.store.inTx(ctx, "reserve digest", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := lockObjects(ctx, tx, c.ObjectKey, sha256); err != nil {
			return err
		}
		var before sql.NullString
		err := tx.GetContext(ctx, &before, q, c.ImageID, c.Generation, c.Owner, sha256)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("reserve digest: %w", imaging.ErrLeaseLost)
		}
		if err != nil {
			return err
		}
		if twin, err = twinOf(ctx, tx, c, sha256); err != nil || !before.Valid || before.String == sha256 {
			return err
		}
		return insertOutbox(ctx, tx, []outboxRow{lateDeletionRow(c.ObjectKey, before.String)}) // an earlier worker may still be storing there
	})
	return twin, err
}

// oneRow gives none where a statement changed nothing.
func oneRow(result sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}
