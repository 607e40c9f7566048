package deadletter

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/postgres"
)

// ReplayState is the state of a replay.
type ReplayState string

// The states of a replay.
const (
	ReplayRunning ReplayState = "running"
	ReplayStopped ReplayState = "stopped" // a canary failed again, so the rest was not replayed
	ReplayDone    ReplayState = "done"
)

// Bounds of a replay, and the rate if a client does not choose one.
const (
	maxCanary         = 100
	maxReplayRate     = 1000
	DefaultReplayRate = 10
)

// ReplayRequest selects exactly one of a dead letter, a group and all dead letters to replay.
type ReplayRequest struct {
	DeadLetter  *uuid.UUID
	Fingerprint *string
	All         bool
	Canary      int // replay this many first, and the rest once they are ready; 0 to 100
	Rate        int // images per second, 1 to 1000
}

// Validate returns a [*product.ValidationError] that names every invalid field, or nil.
func (q ReplayRequest) Validate() error {
	var f product.FieldErrors
	selections := 0
	for _, named := range []bool{q.DeadLetter != nil, q.Fingerprint != nil, q.All} {
		if named {
			selections++
		}
	}
	if selections != 1 {
		f.Add("", "exactly_one", "must have exactly one of id, fingerprint and all")
	}
	if q.Fingerprint != nil {
		f.CheckText("fingerprint", *q.Fingerprint, 1, maxFingerprint, false)
	}
	if q.Canary < 0 || q.Canary > maxCanary {
		f.Add("canary", "out_of_range", "must be from 0 to %d", maxCanary)
	}
	if q.Rate < 1 || q.Rate > maxReplayRate {
		f.Add("rate", "out_of_range", "must be from 1 to %d", maxReplayRate)
	}
	return f.Err()
}

// ReplayCount counts the dead letters that a replay has processed, by result.
type ReplayCount struct {
	Replayed   int64 `db:"replayed"`
	Unreadable int64 `db:"skipped_unreadable"` // the message could not be read, so it has no image
	Changed    int64 `db:"skipped_changed"`    // the image is no longer failed, or failed again since
	Gone       int64 `db:"skipped_gone"`       // the image was deleted
	Broken     int64 `db:"skipped_broken"`     // an unexpected error, which the service logged
}

// CanaryCount counts the canaries of a replay by state. A canary whose image was deleted is
// not counted, and another one takes its place.
type CanaryCount struct {
	Ready   int `db:"canaries_ready"`
	Failed  int `db:"canaries_failed"`
	Waiting int `db:"canaries_waiting"`
}

// Replay is the progress of a replay. Total is how many dead letters were selected at its
// start; those that are filed later are not replayed.
type Replay struct {
	ID          uuid.UUID   `db:"id"`
	DeadLetter  *uuid.UUID  `db:"dead_letter"`
	Fingerprint *string     `db:"fingerprint"` // both nil: everything
	Canary      int         `db:"canary"`
	Rate        int         `db:"rate"`
	State       ReplayState `db:"state"`
	Reason      *string     `db:"reason"` // why it was stopped
	Total       int64       `db:"total"`
	ReplayCount
	Canaries   CanaryCount
	CreatedAt  time.Time  `db:"created_at"`
	UpdatedAt  time.Time  `db:"updated_at"`
	FinishedAt *time.Time `db:"finished_at"`
}

// selectionSQL is a condition on dead letters d: the one that a replay names, or those of its
// group, or all, that have not been replayed yet.
const selectionSQL = `
	(cast(:dead_letter AS uuid) IS NULL OR d.id = cast(:dead_letter AS uuid))
	AND (cast(:fingerprint AS text) IS NULL OR d.fingerprint = cast(:fingerprint AS text))
	AND (cast(:dead_letter AS uuid) IS NOT NULL OR d.replayed_at IS NULL)`

// StartReplay records a replay, which a [Replayer] carries out. The error may be a
// [*product.ValidationError].
func (s *Service) StartReplay(ctx context.Context, q ReplayRequest) (Replay, error) {
	if err := q.Validate(); err != nil {
		return Replay{}, err
	}
	id, err := postgres.NewID()
	if err != nil {
		return Replay{}, err
	}
	const insert = `
		INSERT INTO dead_letter_replays (id, dead_letter, fingerprint, canary, rate, canary_passed, request_id, total)
		VALUES (:id, :dead_letter, :fingerprint, :canary, :rate, cast(:canary AS integer) = 0, :request_id,
			(SELECT count(*) FROM dead_letters AS d WHERE ` + selectionSQL + `))`
	var started Replay
	err = s.store.InTx(ctx, "start replay", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.NamedExecContext(ctx, insert, map[string]any{
			"id": id, "dead_letter": q.DeadLetter, "fingerprint": q.Fingerprint, "canary": q.Canary, "rate": q.Rate,
			"request_id": product.RequestID(ctx),
		})
		if err != nil {
			return err
		}
		if started, err = selectReplay(ctx, tx, id); err != nil {
			return err
		}
		if q.DeadLetter != nil && started.Total == 0 {
			return product.Invalid("id", "unknown", "is not the id of a dead letter")
		}
		return nil
	})
	if err != nil {
		return Replay{}, err
	}
	return started, nil
}

// Replay returns the progress of a replay, or [product.ErrNotFound].
func (s *Service) Replay(ctx context.Context, id uuid.UUID) (replay Replay, err error) {
	err = s.store.InSnapshot(ctx, "get replay", func(ctx context.Context, tx *sqlx.Tx) error {
		replay, err = selectReplay(ctx, tx, id)
		return err
	})
	return replay, err
}

func selectReplay(ctx context.Context, tx *sqlx.Tx, id uuid.UUID) (Replay, error) {
	const q = `
		SELECT id, dead_letter, fingerprint, canary, rate, state, reason, total, replayed, skipped_unreadable,
			skipped_changed, skipped_gone, skipped_broken, created_at, updated_at, finished_at
		FROM dead_letter_replays WHERE id = $1`
	var r Replay
	if err := tx.GetContext(ctx, &r, q, id); err != nil {
		return Replay{}, fmt.Errorf("replay: %w", err)
	}
	var err error
	r.Canaries, err = selectCanaries(ctx, tx, id)
	return r, err
}

// selectCanaries counts the canaries of a replay. A canary of a later generation has failed,
// since only a failed image gets another generation.
func selectCanaries(ctx context.Context, q sqlx.QueryerContext, replay uuid.UUID) (CanaryCount, error) {
	const query = `
		SELECT count(*) FILTER (WHERE i.generation = c.generation AND i.status = 'ready') AS canaries_ready,
			count(*) FILTER (WHERE i.generation <> c.generation OR i.status = 'failed') AS canaries_failed,
			count(*) FILTER (WHERE i.generation = c.generation AND i.status IN ('pending', 'processing')) AS canaries_waiting
		FROM dead_letter_canaries AS c JOIN images AS i ON i.id = c.image_id
		WHERE c.replay_id = $1`
	var count CanaryCount
	if err := sqlx.GetContext(ctx, q, &count, query, replay); err != nil {
		return CanaryCount{}, fmt.Errorf("canaries: %w", err)
	}
	return count, nil
}

// keptReplays is how long a replay is kept after it has finished.
const keptReplays = 30 * 24 * time.Hour

// PurgeReplays deletes replays that finished more than 30 days ago. It is a step of the
// reconciler.
func PurgeReplays(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const q = `
		DELETE FROM dead_letter_replays WHERE id IN (
			SELECT id FROM dead_letter_replays WHERE finished_at < now() - $1 * interval '1 microsecond' LIMIT $2
			FOR UPDATE SKIP LOCKED
		)`
	result, err := tx.ExecContext(ctx, q, keptReplays.Microseconds(), postgres.ReconcileBatch)
	return postgres.BatchResult(result, err, postgres.ReconcileBatch)
}
