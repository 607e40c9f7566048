package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/postgres"
)

const (
	replayInterval = time.Second // between the steps of one replay
	// stepTime is how long a step starts further dead letters. Together with the time
	// for one dead letter it is less than stepLease.
	stepTime = 5 * time.Second
)

// Replayer carries out replays of dead letters, one step per second. Every replica may run
// one; each step is done by one of them. The transaction that retries an image also writes the
// progress, so a replay continues exactly where a process stopped.
type Replayer struct {
	service *Service
}

// NewReplayer returns a replayer of dead letters.
func NewReplayer(service *Service) *Replayer { return &Replayer{service: service} }

// Run carries out steps that are due until ctx ends.
func (r *Replayer) Run(ctx context.Context) error {
	return postgres.Poll(ctx, replayInterval, r.service.log, "Replay of dead letters failed, retrying", r.Step)
}

// Step carries out one step of a replay that is due, and reports whether one was due.
func (r *Replayer) Step(ctx context.Context) (bool, error) {
	s, err := r.service.claimReplay(ctx)
	switch {
	case errors.Is(err, product.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	err = r.work(product.WithRequestID(ctx, s.RequestID), s)
	if errors.Is(err, errStepLost) {
		return true, nil
	}
	// Release it even while stopping, so that another replica can continue at once.
	return true, errors.Join(err, r.service.releaseReplay(context.WithoutCancel(ctx), s))
}

// work replays up to Rate dead letters. It finishes the replay if nothing is left or a canary
// has failed.
func (r *Replayer) work(ctx context.Context, s replayStep) error {
	want, waiting := s.Rate, 0
	if !s.CanaryPassed {
		canaries, err := r.canaries(ctx, s.ID)
		if err != nil {
			return err
		}
		missing := s.Canary - canaries.Ready - canaries.Waiting
		switch {
		case canaries.Failed > 0:
			return r.stop(ctx, s)
		case missing > 0:
			want, waiting = min(want, missing), canaries.Waiting
		case canaries.Waiting > 0:
			return nil
		default:
			if err := r.passCanaries(ctx, s); err != nil {
				return err
			}
			s.CanaryPassed = true
		}
	}
	records, err := r.service.selectForReplay(ctx, s, want)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, record := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(began) > stepTime {
			return nil
		}
		if err := r.replay(ctx, s, record); err != nil {
			return err
		}
	}
	switch {
	case len(records) == want, waiting > 0, !s.CanaryPassed && len(records) > 0:
		return nil
	}
	return r.finish(ctx, s, ReplayDone, nil)
}

func (r *Replayer) canaries(ctx context.Context, replay uuid.UUID) (count CanaryCount, err error) {
	err = r.service.store.Read(ctx, "canaries", func(ctx context.Context) error {
		count, err = selectCanaries(ctx, r.service.store.Pool, replay)
		return err
	})
	return count, err
}

// replay retries the image of one dead letter, or counts why it cannot.
func (r *Replayer) replay(ctx context.Context, s replayStep, record replayedRecord) error {
	if !record.ImageID.Valid {
		return r.service.skip(ctx, s, record, ReplayCount{Unreadable: 1})
	}
	_, err := r.service.catalogue.Write(ctx, product.Everything(), record.ProductID.Int64, "replay image", func(ctx context.Context, e *catalogue.Edit) error {
		generation, err := e.Retry(ctx, record.ImageID.UUID, record.Generation.Int64)
		if err != nil {
			return err
		}
		if !s.CanaryPassed {
			if err := insertCanary(ctx, e.Tx, s.ID, record.ImageID.UUID, generation); err != nil {
				return err
			}
		}
		return advance(ctx, e.Tx, s, record, ReplayCount{Replayed: 1})
	})
	switch {
	case err == nil, errors.Is(err, errStepLost), errors.Is(err, product.ErrUnavailable), ctx.Err() != nil:
		return err
	case errors.Is(err, catalogue.ErrNotFailed):
		return r.service.skip(ctx, s, record, ReplayCount{Changed: 1})
	case errors.Is(err, product.ErrNotFound):
		return r.service.skip(ctx, s, record, ReplayCount{Gone: 1})
	}
	// One dead letter must not block the others.
	r.service.log.WithError(err).WithFields(logrus.Fields{"replay_id": s.ID, "dead_letter_id": record.ID}).Error("Dead letter cannot be replayed")
	return r.service.skip(ctx, s, record, ReplayCount{Broken: 1})
}

// stop finishes a replay because of its first canary that failed again.
func (r *Replayer) stop(ctx context.Context, s replayStep) error {
	const q = `
		SELECT i.id, coalesce(i.error_code, '') AS code, coalesce(i.error_detail, '') AS detail
		FROM dead_letter_canaries AS c JOIN images AS i ON i.id = c.image_id
		WHERE c.replay_id = $1 AND (i.generation <> c.generation OR i.status = 'failed')
		ORDER BY i.error_code IS NULL, i.settled_at
		LIMIT 1`
	var failed struct {
		ID     uuid.UUID `db:"id"`
		Code   string    `db:"code"`
		Detail string    `db:"detail"`
	}
	err := r.service.store.Get(ctx, "failed canary", &failed, q, s.ID)
	if err != nil && !errors.Is(err, product.ErrNotFound) { // the image may have been deleted since
		return err
	}
	reason := fmt.Sprintf("canary image %s failed again: %s: %s", failed.ID, failed.Code, failed.Detail)
	if failed.Code == "" {
		reason = "a canary image failed again"
	}
	return r.finish(ctx, s, ReplayStopped, &reason)
}

// passCanaries lets a replay continue with the dead letters after its canaries.
func (r *Replayer) passCanaries(ctx context.Context, s replayStep) error {
	const q = `
		UPDATE dead_letter_replays SET canary_passed = true, updated_at = clock_timestamp()
		WHERE id = $1 AND steps = $2 AND state = 'running'`
	return r.service.store.InTx(ctx, "pass canaries", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, s.ID, s.Step)
		return postgres.RequireRow(result, err, errStepLost)
	})
}

// finish writes the final state of a replay.
func (r *Replayer) finish(ctx context.Context, s replayStep, state ReplayState, reason *string) error {
	const q = `
		UPDATE dead_letter_replays SET state = $3, reason = $4, updated_at = clock_timestamp(), finished_at = clock_timestamp()
		WHERE id = $1 AND steps = $2 AND state = 'running'`
	err := r.service.store.InTx(ctx, "finish replay", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, s.ID, s.Step, state, reason)
		return postgres.RequireRow(result, err, errStepLost)
	})
	if err != nil {
		return err
	}
	entry := r.service.log.WithFields(logrus.Fields{"replay_id": s.ID, "state": string(state), "request_id": s.RequestID})
	if reason != nil {
		entry.WithField("reason", *reason).Warn("Replay of dead letters stopped")
		return nil
	}
	entry.Info("Replay of dead letters finished")
	return nil
}
