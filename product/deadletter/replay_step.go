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

// stepLease is how long after its start a step counts as abandoned. Any replica may then
// start the next.
const stepLease = 15 * time.Second

// errStepLost means that a step counted as abandoned and another one has started.
var errStepLost = errors.New("replay continued without this step")

// replayStep is a replay whose next step has been claimed.
type replayStep struct {
	ID           uuid.UUID     `db:"id"`
	DeadLetter   uuid.NullUUID `db:"dead_letter"`
	Fingerprint  *string       `db:"fingerprint"`
	Canary       int           `db:"canary"`
	Rate         int           `db:"rate"`
	CanaryPassed bool          `db:"canary_passed"`
	Position     uuid.NullUUID `db:"position"`
	Step         int64         `db:"steps"`
	CreatedAt    time.Time     `db:"created_at"`
	RequestID    string        `db:"request_id"`
}

// claimReplay starts the next step of a replay that is due, or returns [product.ErrNotFound].
// The step's number fences off replicas that still work on an earlier step.
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
		RETURNING r.id, r.dead_letter, r.fingerprint, r.canary, r.rate, r.canary_passed, r.position, r.steps, r.created_at,
			r.request_id`
	err = s.store.InTx(ctx, "claim replay", func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &step, q, stepLease.Microseconds())
	})
	return step, err
}

// releaseReplay makes the next step due one interval after the start of this one.
func (s *Service) releaseReplay(ctx context.Context, step replayStep) error {
	const q = `
		UPDATE dead_letter_replays SET due_at = due_at - $3 * interval '1 microsecond'
		WHERE id = $1 AND steps = $2 AND state = 'running'`
	return s.store.InTx(ctx, "release replay", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, step.ID, step.Step, (stepLease - replayInterval).Microseconds())
		return err
	})
}

// replayedRecord has the columns of a dead letter that a replay needs.
type replayedRecord struct {
	ID         uuid.UUID     `db:"id"`
	ImageID    uuid.NullUUID `db:"image_id"`
	ProductID  sql.NullInt64 `db:"product_id"`
	Generation sql.NullInt64 `db:"generation"`
}

// selectForReplay returns the next dead letters of a replay, oldest first.
func (s *Service) selectForReplay(ctx context.Context, step replayStep, limit int) ([]replayedRecord, error) {
	const q = `
		SELECT d.id, d.image_id, d.product_id, d.generation FROM dead_letters AS d
		WHERE ` + selectionSQL + `
			AND d.created_at <= :created_at AND (cast(:position AS uuid) IS NULL OR d.id > cast(:position AS uuid))
		ORDER BY d.id
		LIMIT :limit`
	var records []replayedRecord
	err := s.store.SelectNamed(ctx, "select dead letters to replay", &records, q, map[string]any{
		"dead_letter": step.DeadLetter, "fingerprint": step.Fingerprint, "created_at": step.CreatedAt,
		"position": step.Position, "limit": limit,
	})
	return records, err
}

func insertCanary(ctx context.Context, tx *sqlx.Tx, replay, image uuid.UUID, generation int64) error {
	const q = `INSERT INTO dead_letter_canaries (replay_id, image_id, generation) VALUES ($1, $2, $3)`
	if _, err := tx.ExecContext(ctx, q, replay, image, generation); err != nil {
		return fmt.Errorf("insert canary: %w", err)
	}
	return nil
}

// skip counts a dead letter that is not replayed.
func (s *Service) skip(ctx context.Context, step replayStep, record replayedRecord, count ReplayCount) error {
	return s.store.InTx(ctx, "skip dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
		return advance(ctx, tx, step, record, count)
	})
}

// advance counts a dead letter and moves the replay's position past it.
func advance(ctx context.Context, tx *sqlx.Tx, step replayStep, record replayedRecord, count ReplayCount) error {
	const q = `
		UPDATE dead_letter_replays SET position = $3, updated_at = clock_timestamp(), replayed = replayed + $4,
			skipped_unreadable = skipped_unreadable + $5, skipped_changed = skipped_changed + $6,
			skipped_gone = skipped_gone + $7, skipped_broken = skipped_broken + $8
		WHERE id = $1 AND steps = $2 AND state = 'running' AND (position IS NULL OR position < $3)`
	result, err := tx.ExecContext(ctx, q, step.ID, step.Step, record.ID,
		count.Replayed, count.Unreadable, count.Changed, count.Gone, count.Broken)
	return postgres.RequireRow(result, err, errStepLost)
}
