package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/outbox"
)

// ErrNotFailed means that an image cannot be retried because it has not failed. It wraps
// [product.ErrConflict].
var ErrNotFailed = fmt.Errorf("image has not failed: %w", product.ErrConflict)

// RetryImage starts processing a failed image again, with its full number of attempts,
// and returns the product. Errors: [product.ErrNotFound] if the product or the image does
// not exist, [ErrNotFailed], [product.ErrPrecondition].
func (s *Service) RetryImage(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, pre product.Precondition) (product.Snapshot, error) {
	return s.Write(ctx, scope, id, "retry image", func(ctx context.Context, e *Edit) error {
		if !e.Has(image) {
			return fmt.Errorf("image %s: %w", image, product.ErrNotFound)
		}
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		_, err := e.Retry(ctx, image, AnyGeneration)
		return err
	})
}

// Has reports whether the product has the image.
func (e *Edit) Has(image uuid.UUID) bool { return e.Image(image) != nil }

// AnyGeneration makes [Edit.Retry] accept an image of any generation.
const AnyGeneration = 0

// Retry starts processing a failed image of the product again and returns its new
// generation. Workers drop jobs of earlier generations, and the image's dead letters
// count as replayed. It returns [ErrNotFailed] if the image does not exist, has not
// failed, or is of another generation.
func (e *Edit) Retry(ctx context.Context, image uuid.UUID, generation int64) (int64, error) {
	const q = `
		UPDATE images SET status = 'pending', generation = generation + 1, attempts = 0, deferrals = 0,
			queued_at = clock_timestamp(), settled_at = NULL, request_id = $5,
			error_code = NULL, error_detail = NULL, error_stage = NULL, error_retryable = NULL
		WHERE id = $1 AND product_id = $2 AND status = $3 AND ($4 = 0 OR generation = $4)
		RETURNING generation, ` + ImageColumns
	var row struct {
		Generation int64 `db:"generation"`
		ImageRow
	}
	err := e.Tx.GetContext(ctx, &row, q, image, e.Product.ID, imaging.Failed, generation, product.RequestID(ctx))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("retry image %s: %w", image, ErrNotFailed)
	case err != nil:
		return 0, fmt.Errorf("retry image %s: %w", image, err)
	}
	const mark = `
		UPDATE dead_letters SET replayed_at = clock_timestamp()
		WHERE image_id = $1 AND generation < $2 AND replayed_at IS NULL`
	if _, err := e.Tx.ExecContext(ctx, mark, image, row.Generation); err != nil {
		return 0, fmt.Errorf("mark dead letters: %w", err)
	}
	e.SetImage(row.ImageRow)
	e.Enqueue(image, row.Generation, outbox.PriorityFirst)
	e.Changed = true
	return row.Generation, nil
}
