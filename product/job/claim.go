package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Store claims and settles image jobs. A job processes an image for the first time or
// reprocesses a ready one. It is the job store of the image workers and is safe for concurrent use.
type Store struct {
	store     *postgres.DB
	catalogue *catalogue.Service
	freed     func() // called when a job has left the queue or its worker
}

// New returns the job store of a database. It calls freed whenever a job leaves the queue or
// its worker.
func New(store *postgres.DB, catalogue *catalogue.Service, freed func()) *Store {
	return &Store{store: store, catalogue: catalogue, freed: freed}
}

// claimableSQL is a condition on rows of images: holder $3 can claim the job, which reprocesses
// the image if $4 is true. An expired lease can be taken over. All times are the database's, so
// that no other clock decides who holds a lease.
const claimableSQL = `
	CASE WHEN lease_holder IS NOT NULL THEN (status = 'ready') = $4 AND (lease_holder = $3 OR lease_until < clock_timestamp())
	ELSE queued_at <= clock_timestamp() AND (status = 'pending' AND NOT $4 OR reprocess <> '{}' AND $4) END `

// Claim leases the job's image to holder, if there is such work and no other holder, and
// counts the attempt. If holder has the lease already, because the answer to an earlier
// call was lost, Claim renews it and returns the same claim. Errors: those of
// the job store of an image worker, and [product.ErrUnavailable].
func (j *Store) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	defer j.freed()
	ctx = product.WithRequestID(ctx, job.RequestID)
	// Late and repeated messages are common after an outage. They end here, without a lock
	// and without a change of the cache.
	productID, err := j.look(ctx, job, holder)
	if err != nil {
		return imaging.Claim{}, err
	}
	claim := imaging.Claim{Job: job, ProductID: productID, Holder: holder}
	_, err = j.catalogue.Write(ctx, product.Everything(), productID, "claim image", func(ctx context.Context, e *catalogue.Edit) error {
		claim.ObjectKey = e.Product.ObjectKey
		row, lost, err := claimImage(ctx, e.Tx, &claim, lease)
		if err != nil {
			return err
		}
		e.Changed = !row.Mine && !job.Reprocess // clients see no difference in a ready image
		e.SetImage(row.ImageRow)
		return lost.insert(ctx, e.Tx)
	})
	switch {
	case errors.Is(err, product.ErrNotFound):
		return imaging.Claim{}, fmt.Errorf("claim image: product: %w", imaging.ErrNothingToDo)
	case err != nil:
		return imaging.Claim{}, err
	}
	return claim, nil
}

// look returns the product of a job's image that can probably be claimed. It reads the
// clock with the row, not at the beginning of a transaction.
func (j *Store) look(ctx context.Context, job imaging.Job, holder string) (int64, error) {
	const q = `
		SELECT product_id, generation, status, generation = $2 AND ` + claimableSQL + ` AS due
		FROM images WHERE id = $1`
	var found struct {
		ProductID  int64          `db:"product_id"`
		Generation int64          `db:"generation"`
		Status     imaging.Status `db:"status"`
		Due        bool           `db:"due"`
	}
	err := j.store.Get(ctx, "look up image", &found, q, job.ImageID, job.Generation, holder, job.Reprocess)
	switch {
	case errors.Is(err, product.ErrNotFound):
		return 0, fmt.Errorf("image is gone: %w", imaging.ErrNothingToDo)
	case err != nil:
		return 0, err
	case !found.Due:
		return 0, fmt.Errorf("image is %s, of generation %d, job of generation %d: %w",
			found.Status, found.Generation, job.Generation, imaging.ErrNothingToDo)
	}
	return found.ProductID, nil
}

// claimedRow is a claimed image with its state before the claim.
type claimedRow struct {
	catalogue.ImageRow
	JobAttempts  int            `db:"job_attempts"`
	Deferrals    int            `db:"deferrals"`
	Reprocessing sql.NullString `db:"reprocessing"`
	Mine         bool           `db:"mine"` // the holder had the lease already
	OldAttempts  int            `db:"old_attempts"`
	OldClaimedAt sql.NullTime   `db:"old_claimed_at"`
	OldHolder    sql.NullString `db:"old_holder"`
	OldUntil     sql.NullTime   `db:"old_until"`
	OldRequestID string         `db:"old_request_id"`
}

// claimImage makes the claim if the image can still be claimed, and completes c. It
// returns another holder's attempt that was under way as lost. Reprocessing begins with
// the most urgent reason; that of a lost attempt is due again. Attempts for one reason do not
// count for another.
func claimImage(ctx context.Context, tx *sqlx.Tx, c *imaging.Claim, lease time.Duration) (claimedRow, *attemptRow, error) {
	const q = `
		WITH found AS (
			SELECT id, status, attempts, request_id, claimed_at, lease_holder, lease_until, reprocessing,
				coalesce(lease_holder = $3, false) AS mine,
				CASE WHEN lease_holder = $3 THEN reprocess ELSE ` + catalogue.DueReasonsSQL + ` END AS reasons,
				CASE WHEN lease_holder = $3 THEN reprocessing ELSE ` + catalogue.MostUrgentReasonSQL + ` END AS reason
			FROM images
			WHERE id = $1 AND generation = $2 AND ` + claimableSQL + `
			FOR UPDATE
		)
		UPDATE images SET status = CASE WHEN found.status = 'ready' THEN 'ready' ELSE 'processing' END, sent = false,
			reprocess = array_remove(found.reasons, found.reason), reprocessing = found.reason,
			attempts = CASE WHEN found.mine THEN found.attempts WHEN found.reprocessing <> found.reason THEN 1 ELSE found.attempts + 1 END,
			claimed_at = CASE WHEN found.mine THEN found.claimed_at ELSE clock_timestamp() END,
			lease_holder = $3, lease_until = clock_timestamp() + $5 * interval '1 microsecond'
		FROM found WHERE images.id = found.id
		RETURNING ` + catalogue.QualifiedImageColumns + `, images.attempts AS job_attempts, images.deferrals, images.reprocessing,
			found.mine, found.attempts AS old_attempts, found.claimed_at AS old_claimed_at, found.lease_holder AS old_holder,
			found.lease_until AS old_until, found.request_id AS old_request_id`
	var row claimedRow
	err := tx.GetContext(ctx, &row, q, c.ImageID, c.Generation, c.Holder, c.Reprocess, lease.Microseconds())
	if errors.Is(err, sql.ErrNoRows) {
		return claimedRow{}, nil, fmt.Errorf("claim image: %w", imaging.ErrNothingToDo)
	}
	if err != nil {
		return claimedRow{}, nil, fmt.Errorf("claim image: %w", err)
	}
	c.Source, c.Focal, c.Attempt, c.Deferrals = row.Source, row.Point(), row.JobAttempts, row.Deferrals
	if c.Reprocess {
		c.Reason = imaging.Reason(row.Reprocessing.String)
		if c.Was, err = readyResult(ctx, tx, c.ImageID); err != nil {
			return claimedRow{}, nil, err
		}
	}
	if !row.OldHolder.Valid || row.Mine {
		return row, nil, nil
	}
	return row, &attemptRow{
		ImageID: c.ImageID, Generation: c.Generation, Attempt: max(row.OldAttempts, 1), Stage: imaging.StageClaim,
		Outcome: outcomeLost, Code: postgres.EmptyToNull(string(imaging.CodeWorkerCrashed)), Detail: postgres.EmptyToNull("the worker's lease expired"),
		Worker: row.OldHolder.String, RequestID: row.OldRequestID, StartedAt: row.OldClaimedAt.Time,
		DurationMS: max(0, row.OldUntil.Time.Sub(row.OldClaimedAt.Time).Milliseconds()),
	}, nil
}

// Renew extends the lease to lease from now, or returns [imaging.ErrLeaseLost]. An
// expired lease is renewed as long as nobody took over.
func (j *Store) Renew(ctx context.Context, c imaging.Claim, lease time.Duration) error {
	const q = `UPDATE images SET lease_until = clock_timestamp() + $4 * interval '1 microsecond'` + fenceSQL
	return j.store.InTx(ctx, "renew lease", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, c.ImageID, c.Generation, c.Holder, lease.Microseconds())
		return postgres.RequireRow(result, err, imaging.ErrLeaseLost)
	})
}

// Reserve records the digest under which the claim is about to store objects. It waits
// for the end of a deletion of the same objects. The objects of another digest that was
// reserved before are given up: an earlier worker may still be storing there.
//
// The duplicate is read under the same lock, and by then the image is one of those that
// the digest's objects are kept for.
func (j *Store) Reserve(ctx context.Context, c imaging.Claim, sha256 string) (duplicate *imaging.Result, err error) {
	ctx = product.WithRequestID(ctx, c.RequestID)
	// The source's digest of a ready image names what its variants were made of.
	const q = `
		WITH found AS (
			SELECT id, CASE WHEN status = 'ready' THEN reserved_sha256 ELSE source_sha256 END AS before FROM images WHERE id = $1 FOR UPDATE
		)
		UPDATE images SET source_sha256 = CASE WHEN status = 'ready' THEN source_sha256 ELSE $4 END,
			reserved_sha256 = CASE WHEN status = 'ready' THEN $4 ELSE reserved_sha256 END
		FROM found
		WHERE images.id = found.id AND generation = $2 AND lease_holder = $3
		RETURNING found.before`
	err = j.store.InTx(ctx, "reserve digest", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := catalogue.LockObjects(ctx, tx, c.ObjectKey, sha256); err != nil {
			return err
		}
		var before sql.NullString
		err := tx.GetContext(ctx, &before, q, c.ImageID, c.Generation, c.Holder, sha256)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("reserve digest: %w", imaging.ErrLeaseLost)
		}
		if err != nil {
			return err
		}
		if !c.Reprocess {
			if duplicate, err = duplicateOf(ctx, tx, c, sha256); err != nil {
				return err
			}
		}
		if !before.Valid || before.String == sha256 {
			return nil
		}
		return outbox.Insert(ctx, tx, []outbox.Row{catalogue.LateDeletion(c.ObjectKey, before.String)})
	})
	return duplicate, err
}

// permitDelay is how long a job waits after a worker had no permit for it.
const permitDelay = time.Second

// PutBack requeues a job that was received but not claimed.
func (j *Store) PutBack(ctx context.Context, job imaging.Job) error {
	ctx = product.WithRequestID(ctx, job.RequestID)
	return j.store.InTx(ctx, "put job back", func(ctx context.Context, tx *sqlx.Tx) error {
		return catalogue.Requeue(ctx, tx, job, permitDelay)
	})
}
