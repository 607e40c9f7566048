package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"vitrine/imaging"
)

// ErrNotFailed means that an image has not failed, or no longer, so that it cannot be
// retried. It is an [ErrConflict].
var ErrNotFailed = fmt.Errorf("image has not failed: %w", ErrConflict)

// RetryImage begins the processing of a failed image anew, with all its attempts, and
// returns the product. Errors: [ErrNotFound] if the product or the image does not exist,
// [ErrNotFailed], [ErrPrecondition].
func (s *Service) RetryImage(ctx context.Context, scope Scope, id int64, image uuid.UUID, pre Precondition) (Snapshot, error) {
	return s.write(ctx, scope, id, "retry image", func(ctx context.Context, e *edit) error {
		if !e.has(image) {
			return fmt.Errorf("image %s: %w", image, ErrNotFound)
		}
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		_, err := e.Restart(ctx, image, anyGeneration)
		return err
	})
}

func (e *edit) has(image uuid.UUID) bool { return e.Image(image) != nil }

// anyGeneration restarts an image of any generation.
const anyGeneration = 0

// Restart begins the processing of a failed image of the product anew, and returns its new
// generation; jobs of earlier generations are dropped. Dead letters of the failure count as
// replayed. The error is [ErrNotFailed] if the image does not exist, has not failed, or is
// not of the generation asked for.
func (e *edit) Restart(ctx context.Context, image uuid.UUID, generation int64) (int64, error) {
	const q = `
		UPDATE images SET status = 'pending', generation = generation + 1, attempts = 0, deferrals = 0,
			queued_at = clock_timestamp(), settled_at = NULL, request_id = $5,
			error_code = NULL, error_detail = NULL, error_stage = NULL, error_retryable = NULL
		WHERE id = $1 AND product_id = $2 AND status = $3 AND ($4 = 0 OR generation = $4)
		RETURNING generation, ` + imageColumns
	var row struct {
		Generation int64 `db:"generation"`
		imageRow
	}
	err := e.tx.GetContext(ctx, &row, q, image, e.product.ID, imaging.Failed, generation, RequestID(ctx))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("restart image %s: %w", image, ErrNotFailed)
	case err != nil:
		return 0, fmt.Errorf("restart image %s: %w", image, err)
	}
	const mark = `
		UPDATE dead_letters SET replayed_at = clock_timestamp()
		WHERE image_id = $1 AND generation < $2 AND replayed_at IS NULL`
	if _, err := e.tx.ExecContext(ctx, mark, image, row.Generation); err != nil {
		return 0, fmt.Errorf("mark dead letters: %w", err)
	}
	e.Replace(row.imageRow)
	e.Enqueue(image, row.Generation, PriorityFirst)
	e.changed = true
	return row.Generation, nil
}
