package deadletter

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product/postgres"
)

// stepLease is how long after its beginning a step counts as abandoned, so that
// any replica may begin the next.
const stepLease = 15 * time.Second

// errStepLost says that a step was given up for abandoned.
var errStepLost = errors.New("the replay has gone on without this step")

// replayStep is a replay while one step of it is done.
type replayStep struct {
	ID           uuid.UUID     `db:"id"`
	Letter       uuid.NullUUID `db:"letter"`
	Fingerprint  *string       `db:"fingerprint"`
	Canary       int           `db:"canary"`
	Rate         int           `db:"rate"`
	CanaryPassed bool          `db:"canary_passed"`
	Position     uuid.NullUUID `db:"position"`
	Step         int64         `db:"steps"`
	CreatedAt    time.Time     `db:"created_at"`
	RequestID    string        `db:"request_id"`
}

// claimReplay begins the next step of a replay that is due, or gives
// [product.ErrNotFound]. The step's number fences off whoever is still at an earlier one.
func (s *Service) claimReplay(ctx context.Context) (step replayStep, err error) {
	const q = `
		WITH due AS (
			SELECT id FROM dead_letter_replays
			WHERE state = 'running' AND due_at <= now()
			ORDER BY due_at
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)
		UPDATE dead_letter_replays AS r
		SET steps = r.steps + 1, due_at = clock_timestamp() + $1 * interval '1 microsecond'
		FROM due WHERE r.id = due.id
		RETURNING r.id, r.letter, r.fingerprint, r.canary, r.rate, r.canary_passed, r.position, r.steps, r.created_at,
			r.request_id`
	err = s.store.InTx(ctx, "claim replay", func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &step, q, stepLease.Microseconds())
	})
	return step, err
}

// releaseReplay makes the next step due an interval after this one's beginning.
func (s *Service) releaseReplay(ctx context.Context, step replayStep) error {
	const q = `
		UPDATE dead_letter_replays SET due_at = due_at - $3 * interval '1 microsecond'
		WHERE id = $1 AND steps = $2 AND state = 'running'`
	return s.store.InTx(ctx, "release replay", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, step.ID, step.Step, (stepLease - replayInterval).Microseconds())
		return err
	})
}

// letterToReplay is what a replay has to know of a dead letter.
type letterToReplay struct {
	ID         uuid.UUID     `db:"id"`
	ImageID    uuid.NullUUID `db:"image_id"`
	ProductID  sql.NullInt64 `db:"product_id"`
	Generation sql.NullInt64 `db:"generation"`
}

// selectForReplay gives the next letters of a replay, oldest first.
func (s *Service) selectForReplay(ctx context.Context, step replayStep, limit int) ([]letterToReplay, error) {
	const q = `
		SELECT d.id, d.image_id, d.product_id, d.generation FROM dead_letters AS d
		WHERE ` + replaySelection + `
			AND d.created_at <= :created_at AND (cast(:position AS uuid) IS NULL OR d.id > cast(:position AS uuid))
		ORDER BY d.id
		LIMIT :limit`
	var letters []letterToReplay
	err := s.store.SelectNamed(ctx, "letters to replay", &letters, q, map[string]any{
		"letter": step.Letter, "fingerprint": step.Fingerprint, "created_at": step.CreatedAt,
		"position": step.Position, "limit": limit,
	})
	return letters, err
}

func insertCanary(ctx context.Context, tx *sqlx.Tx, replay, image uuid.UUID, generation int64) error {
	const q = `INSERT INTO dead_letter_canaries (replay_id, image_id, generation) VALUES ($1, $2, $3)`
	if _, err := tx.ExecContext(ctx, q, replay, image, generation); err != nil {
		return fmt.Errorf("insert canary: %w", err)
	}
	return nil
}

func (s *Service) skip(ctx context.Context, step replayStep, letter letterToReplay, count ReplayCount) error {
	return s.store.InTx(ctx, "skip dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
		return advance(ctx, tx, step, letter, count)
	})
}

// advance counts a letter and puts the replay's position behind it.
func advance(ctx context.Context, tx *sqlx.Tx, step replayStep, letter letterToReplay, count ReplayCount) error {
	const q = `
		UPDATE dead_letter_replays SET position = $3, updated_at = clock_timestamp(), replayed = replayed + $4,
			skipped_unreadable = skipped_unreadable + $5, skipped_changed = skipped_changed + $6,
			skipped_gone = skipped_gone + $7, skipped_broken = skipped_broken + $8
		WHERE id = $1 AND steps = $2 AND state = 'running' AND (position IS NULL OR position < $3)`
	result, err := tx.ExecContext(ctx, q, step.ID, step.Step, letter.ID,
		count.Replayed, count.Unreadable, count.Changed, count.Gone, count.Broken)
	return postgres.RequireRow(result, err, errStepLost)
}
