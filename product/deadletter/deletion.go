package deadletter

import (
	"context"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/postgres"
)

// deletionBatch is how many dead letters one transaction deletes.
const deletionBatch = 5000

// Delete deletes a dead letter, or returns [product.ErrNotFound]. Its image stays failed.
func (s *Service) Delete(ctx context.Context, id uuid.UUID) error {
	const q = `DELETE FROM dead_letters WHERE id = $1`
	return s.store.InTx(ctx, "delete dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, id)
		return postgres.RequireRow(result, err, product.ErrNotFound)
	})
}

// DeleteMatching deletes the matching dead letters; all must be true if and only if the
// filter selects everything. It returns how many were deleted, even with an error, and
// runs until it is done or ctx ends. The images stay failed. The error may be a
// [*product.ValidationError].
func (s *Service) DeleteMatching(ctx context.Context, f Filter, all bool) (int64, error) {
	if err := f.Validate(); err != nil {
		return 0, err
	}
	if f.everything() != all {
		return 0, product.Invalid("all", "exactly_one", "must be true to delete everything, and must be omitted with a filter")
	}
	const q = `
		DELETE FROM dead_letters WHERE id IN (
			SELECT d.id FROM dead_letters AS d WHERE ` + filterSQL + ` ORDER BY d.id LIMIT :limit)`
	// Each batch has to end before the statement timeout.
	for deleted := int64(0); ; {
		var n int64
		err := s.store.InTx(ctx, "delete dead letters", func(ctx context.Context, tx *sqlx.Tx) error {
			result, err := tx.NamedExecContext(ctx, q, f.args(deletionBatch))
			if err != nil {
				return err
			}
			n, err = result.RowsAffected()
			return err
		})
		if err != nil {
			return deleted, err
		}
		if deleted += n; n < deletionBatch {
			return deleted, nil
		}
	}
}
