package deadletter

import (
	"context"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/postgres"
)

// deletionBatch is how many dead letters are removed in one transaction.
const deletionBatch = 5000

// Delete removes a dead letter, or gives [product.ErrNotFound]. Its image stays
// as it is: failed.
func (s *Service) Delete(ctx context.Context, id uuid.UUID) error {
	const q = `DELETE FROM dead_letters WHERE id = $1`
	return s.store.InTx(ctx, "delete dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, id)
		return postgres.RequireRow(result, err, product.ErrNotFound)
	})
}

// DeleteMatching removes the dead letters that match; a filter that selects
// everything needs all. It gives how many are gone, also beside an error, and may
// take as long as ctx lets it. Their images stay as they are: failed. The error
// may be a [*product.ValidationError].
func (s *Service) DeleteMatching(ctx context.Context, f Filter, all bool) (int64, error) {
	if err := f.Validate(); err != nil {
		return 0, err
	}
	if f.everything() != all {
		return 0, product.Invalid("all", "exactly_one", "must be true to delete everything, and absent where there is a filter")
	}
	const q = `
		DELETE FROM dead_letters WHERE id IN (
			SELECT d.id FROM dead_letters AS d WHERE ` + deadLetterCondition + ` ORDER BY d.id LIMIT :limit)`
	// In parts: each has to end before the statement's time does.
	for gone := int64(0); ; {
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
			return gone, err
		}
		if gone += n; n < deletionBatch {
			return gone, nil
		}
	}
}
