package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
)

// reworkLook is what decides whether a second pass may begin now.
type reworkLook struct {
	Due     bool `db:"due"`
	Overdue bool `db:"overdue"` // it has been due for so long that it waits for nobody any more
	Jobs    bool `db:"jobs"`    // image jobs wait in the outbox
}

func (s *Store) lookAtReworks(ctx context.Context, overdue time.Duration) (reworkLook, error) {
	const free = ` AND (claimed_until IS NULL OR claimed_until < statement_timestamp()) `
	const q = `
		SELECT coalesce((SELECT true FROM outbox WHERE kind = 'image_rework' AND available_at <= statement_timestamp()` + free + `
				ORDER BY available_at LIMIT 1), false) AS due,
			coalesce((SELECT true FROM outbox
				WHERE kind = 'image_rework' AND available_at <= statement_timestamp() - $1 * interval '1 microsecond'` + free + `
				ORDER BY available_at LIMIT 1), false) AS overdue,
			coalesce((SELECT true FROM outbox WHERE ` + inLine + ` ORDER BY owner LIMIT 1), (SELECT true FROM outbox
				WHERE kind = 'image_job' AND NOT in_line AND available_at <= statement_timestamp()
				ORDER BY available_at LIMIT 1), false) AS jobs`
	var look reworkLook
	err := s.read(ctx, "look at reworks", func(ctx context.Context) error {
		return s.db.GetContext(ctx, &look, q, overdue.Microseconds())
	})
	return look, err
}

// claimRework takes the rework that has been due longest, for d, and counts the try:
// one that ends its process has been counted by then.
func (s *Store) claimRework(ctx context.Context, claim uuid.UUID, d time.Duration) ([]Row, error) {
	const q = `
		WITH due AS (
			SELECT id FROM outbox
			WHERE kind = 'image_rework' AND available_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
			ORDER BY available_at
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)
		UPDATE outbox SET claim = $1, claimed_until = clock_timestamp() + $2 * interval '1 microsecond', attempts = attempts + 1
		FROM due WHERE outbox.id = due.id
		RETURNING outbox.id, outbox.subject, outbox.payload, outbox.request_id, outbox.attempts`
	var rows []Row
	err := s.inTx(ctx, "claim rework", func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, q, claim, d.Microseconds())
	})
	return rows, err
}

// readyRow is an image as the second pass finds it.
type readyRow struct {
	focalRow
	ProductID    int64          `db:"product_id"`
	ObjectKey    uuid.UUID      `db:"object_key"`
	Source       string         `db:"source"`
	SHA256       string         `db:"source_sha256"`
	SourceBytes  sql.NullInt64  `db:"source_bytes"`
	Format       sql.NullString `db:"format"`
	Width        sql.NullInt64  `db:"width"`
	Height       sql.NullInt64  `db:"height"`
	Placeholder  sql.NullString `db:"placeholder"`
	AverageColor sql.NullString `db:"average_color"`
	Animated     bool           `db:"animated"`
	Variants     variants       `db:"variants"`
	Recipe       string         `db:"recipe"`
	ETag         sql.NullString `db:"source_etag"`
	Modified     sql.NullString `db:"source_modified"`
}

// loadRework gives the image that is to be reworked, or [ErrNotFound] where it is
// gone, was begun anew, or is not ready.
func (s *Store) loadRework(ctx context.Context, p reworkPayload) (imaging.Rework, error) {
	const q = `
		SELECT ` + readyColumns + `, (SELECT object_key FROM products WHERE products.id = images.product_id) AS object_key
		FROM images WHERE id = $1 AND generation = $2 AND status = 'ready'`
	var row readyRow
	err := s.read(ctx, "load rework", func(ctx context.Context) error {
		return s.db.GetContext(ctx, &row, q, p.ImageID, p.Generation)
	})
	return imaging.Rework{
		Job:       imaging.Job{ImageID: p.ImageID, Generation: p.Generation, RequestID: RequestID(ctx)},
		ProductID: row.ProductID, ObjectKey: row.ObjectKey, Source: row.Source, Reason: p.Reason, Focal: row.point(),
		Was: row.result(),
	}, err
}

// ReserveRework implements [imaging.ReworkStore]: see [Jobs.Reserve]. Whoever
// reserved another digest for the image before can no longer write its result.
func (s *Store) ReserveRework(ctx context.Context, r imaging.Rework, digest string) error {
	ctx = WithRequestID(ctx, r.RequestID)
	const q = `
		WITH old AS (SELECT id, rework_sha256 FROM images WHERE id = $1 FOR UPDATE)
		UPDATE images SET rework_sha256 = $5
		FROM old
		WHERE images.id = old.id AND generation = $2 AND status = 'ready' AND source_sha256 = $3 AND variants = cast($4 AS jsonb)
		RETURNING old.rework_sha256`
	return s.inTx(ctx, "reserve digest", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := lockObjects(ctx, tx, r.ObjectKey, digest); err != nil {
			return err
		}
		var before sql.NullString
		err := tx.GetContext(ctx, &before, q, r.ImageID, r.Generation, r.Was.SourceSHA256, variants(r.Was.Variants), digest)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("reserve digest: %w", imaging.ErrLeaseLost)
		}
		if err != nil || !before.Valid || before.String == digest {
			return err
		}
		return insertOutbox(ctx, tx, []outboxRow{lateDeletionRow(r.ObjectKey, before.String)})
	})
}

// replaceVariants makes an image what its rework has made of it, or gives
// [imaging.ErrLeaseLost] where it is another by now or somebody else has reserved
// another digest. Its variants have to be those that the rework began with: another
// one may have changed them, and a third have reserved this digest once more.
func replaceVariants(ctx context.Context, tx *sqlx.Tx, r imaging.Rework, done *imaging.Reworked) (imageRow, error) {
	const q = `
		UPDATE images SET rework_sha256 = NULL, source_sha256 = $5, source_bytes = $6, format = $7, width = $8, height = $9,
			variants = cast($10 AS jsonb), placeholder = $11, average_color = $12, animated = $13, recipe = $14,
			source_etag = $15, source_modified = $16
		WHERE id = $1 AND generation = $2 AND status = 'ready' AND source_sha256 = $3 AND rework_sha256 = $4
			AND variants = cast($17 AS jsonb)
		RETURNING ` + imageColumns
	var row imageRow
	err := tx.GetContext(ctx, &row, q, r.ImageID, r.Generation, r.Was.SourceSHA256, done.Digest,
		done.SourceSHA256, done.SourceBytes, done.SourceFormat, done.Width, done.Height,
		variants(done.Variants), null(done.Placeholder), null(done.AverageColor), done.Animated, done.Recipe,
		null(done.Validators.ETag), null(done.Validators.LastModified), variants(r.Was.Variants))
	if errors.Is(err, sql.ErrNoRows) {
		return row, fmt.Errorf("replace variants: %w", imaging.ErrLeaseLost)
	}
	if err != nil {
		return row, fmt.Errorf("replace variants: %w", err)
	}
	return row, nil
}

// keepValidators writes down what an image's source can be asked for again by, if
// the image still is what was made of it.
func keepValidators(ctx context.Context, tx *sqlx.Tx, r imaging.Rework, v imaging.Validators) error {
	const q = `
		UPDATE images SET source_etag = $4, source_modified = $5
		WHERE id = $1 AND generation = $2 AND status = 'ready' AND source_sha256 = $3`
	_, err := tx.ExecContext(ctx, q, r.ImageID, r.Generation, r.Was.SourceSHA256, null(v.ETag), null(v.LastModified))
	if err != nil {
		return fmt.Errorf("keep validators: %w", err)
	}
	return nil
}

// needsOriginal says whether another image of the product waits for its second pass
// with the same source. One with the recipe has had it, although its row may still be
// there.
func needsOriginal(ctx context.Context, tx *sqlx.Tx, r imaging.Rework, recipe string) (needed bool, err error) {
	const q = `
		SELECT EXISTS (
			SELECT 1 FROM images JOIN outbox ON outbox.subject = images.id AND outbox.kind = 'image_rework'
			WHERE images.product_id = $1 AND images.source_sha256 = $2 AND images.id <> $3 AND images.recipe <> $4)`
	if err := tx.GetContext(ctx, &needed, q, r.ProductID, r.Was.SourceSHA256, r.ImageID, recipe); err != nil {
		return false, fmt.Errorf("original: %w", err)
	}
	return needed, nil
}
