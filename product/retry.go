package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"vitrine/imaging"
)

// ErrNotFailed says that an image has not failed, or not any more, so that there
// is nothing to begin anew. It is an [ErrConflict].
var ErrNotFailed = fmt.Errorf("image has not failed: %w", ErrConflict)

// RetryImage begins the work on a failed image anew, with all its tries, and
// gives the product. Errors: [ErrNotFound] where there is no such product or it
// has no such image, [ErrNotFailed], [ErrPrecondition].
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

// anyGeneration restarts an image whatever its generation is.
const anyGeneration = 0

// Restart begins the work on a failed image of the product anew, and gives the
// generation that this makes: what is still under way for an earlier one is
// dropped wherever it turns up. Dead letters of the failure count as replayed.
// The error is [ErrNotFailed] where the image is not there, has not failed, or is
// of another generation than the one that was asked for.
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
