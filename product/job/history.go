package job

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
)

// shownAttempts is how many attempts [Store.Attempts] returns at most.
const shownAttempts = 100

// Attempt is an ended attempt. Outcome is ready, retry, failed, handed_back (it did not
// count, and another one follows) or lost (its worker vanished); of reprocessing also
// reprocessed, unchanged (the image was up to date) or kept (it failed, and the image
// stays as it was). Code is empty if it succeeded.
type Attempt struct {
	Generation int64
	Attempt    int // from 1 in each job; attempts that did not count share a number with the next
	Stage      imaging.Stage
	Outcome    string
	Code       string
	Detail     string
	Worker     string
	RequestID  string
	StartedAt  time.Time // UTC
	Duration   time.Duration
}

// Attempts returns the latest ended attempts of an image, newest first, or [product.ErrNotFound]
// if the product has no such image.
func (s *Store) Attempts(ctx context.Context, scope product.Scope, id int64, image uuid.UUID) ([]Attempt, error) {
	const find = `
		SELECT 1 FROM images JOIN products ON products.id = images.product_id
		WHERE images.id = $1 AND products.id = $2 AND (cast($3 AS bigint) IS NULL OR products.user_id = cast($3 AS bigint))`
	const q = `
		SELECT image_id, generation, attempt, stage, outcome, code, detail, worker, request_id, started_at, duration_ms
		FROM image_attempts WHERE image_id = $1
		ORDER BY id DESC
		LIMIT $2`
	var rows []attemptRow
	err := s.store.InSnapshot(ctx, "attempts", func(ctx context.Context, tx *sqlx.Tx) error {
		var one int
		if err := tx.GetContext(ctx, &one, find, image, id, scope.Owner()); err != nil {
			return fmt.Errorf("image: %w", err)
		}
		return tx.SelectContext(ctx, &rows, q, image, shownAttempts)
	})
	if err != nil {
		return nil, err
	}
	attempts := make([]Attempt, len(rows))
	for i, r := range rows {
		attempts[i] = Attempt{
			Generation: r.Generation, Attempt: r.Attempt, Stage: r.Stage, Outcome: r.Outcome,
			Code: r.Code.String, Detail: r.Detail.String, Worker: r.Worker, RequestID: r.RequestID,
			StartedAt: r.StartedAt.UTC(), Duration: time.Duration(r.DurationMS) * time.Millisecond,
		}
	}
	return attempts, nil
}
