package job

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
)

// How an attempt ended, as image_attempts records it.
const (
	outcomeReady      = "ready"
	outcomeRetry      = "retry"
	outcomeFailed     = "failed"
	outcomeHandedBack = "handed_back"
	outcomeLost       = "lost"
	// Outcomes of reprocessing; the image stays ready in any case.
	outcomeReprocessed = "reprocessed"
	outcomeUnchanged   = "unchanged"
	outcomeKept        = "kept"
)

// keptAttempts is how many attempts of an image are kept.
const keptAttempts = 20

// attemptRow is a row of image_attempts.
type attemptRow struct {
	ImageID    uuid.UUID      `db:"image_id"`
	Generation int64          `db:"generation"`
	Attempt    int            `db:"attempt"`
	Stage      imaging.Stage  `db:"stage"`
	Outcome    string         `db:"outcome"`
	Code       sql.NullString `db:"code"`
	Detail     sql.NullString `db:"detail"`
	Worker     string         `db:"worker"`
	RequestID  string         `db:"request_id"`
	StartedAt  time.Time      `db:"started_at"`
	DurationMS int64          `db:"duration_ms"`
}

// insert records the attempt and deletes the image's oldest ones, so that a source that is
// unavailable for days does not fill the table. It does nothing for a nil row.
func (r *attemptRow) insert(ctx context.Context, tx *sqlx.Tx) error {
	if r == nil {
		return nil
	}
	r.RequestID = product.SanitizeText(r.RequestID) // it came with the message
	const q = `
		INSERT INTO image_attempts (image_id, generation, attempt, stage, outcome, code, detail, worker, request_id,
			started_at, duration_ms)
		VALUES (:image_id, :generation, :attempt, :stage, :outcome, :code, :detail, :worker, :request_id,
			:started_at, :duration_ms)`
	if _, err := tx.NamedExecContext(ctx, q, r); err != nil {
		return fmt.Errorf("insert attempt: %w", err)
	}
	const prune = `
		DELETE FROM image_attempts WHERE image_id = $1 AND id <= (
			SELECT id FROM image_attempts WHERE image_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)`
	if _, err := tx.ExecContext(ctx, prune, r.ImageID, keptAttempts); err != nil {
		return fmt.Errorf("prune attempts: %w", err)
	}
	return nil
}
