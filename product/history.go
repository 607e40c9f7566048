package product

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
)

// shownAttempts bounds a history, should more tries be kept one day.
const shownAttempts = 100

// Attempt is an ended try to process an image. Outcome is ready, retry, failed,
// handed_back (it did not count and was repeated) or lost (its worker vanished).
// Code and Detail are empty where it ended as ready. A try to rework a ready image
// is reworked, unchanged (there was nothing to do) or kept (it stays as it was, for
// the reason given).
type Attempt struct {
	Generation int64
	Attempt    int // from 1 in each generation; tries that did not count share a number with the next
	Stage      imaging.Stage
	Outcome    string
	Code       string
	Detail     string
	Worker     string
	RequestID  string
	StartedAt  time.Time // UTC
	Duration   time.Duration
}

// Attempts gives the latest ended tries of an image, newest first, or
// [ErrNotFound] where the product has no such image.
func (s *Service) Attempts(ctx context.Context, scope Scope, id int64, image uuid.UUID) ([]Attempt, error) {
	const find = `
		SELECT 1 FROM images JOIN products ON products.id = images.product_id
		WHERE images.id = $1 AND products.id = $2 AND (cast($3 AS bigint) IS NULL OR products.user_id = cast($3 AS bigint))`
	const q = `
		SELECT image_id, generation, attempt, stage, outcome, code, detail, worker, request_id, started_at, duration_ms
		FROM image_attempts WHERE image_id = $1
		ORDER BY id DESC
		LIMIT $2`
	var rows []attemptRow
	err := s.store.inSnapshot(ctx, "attempts", func(ctx context.Context, tx *sqlx.Tx) error {
		var one int
		if err := tx.GetContext(ctx, &one, find, image, id, scope.owner()); err != nil {
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
