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
	// stepTime is how long a step goes on to the next letter. Together with the
	// time for one letter it is less than stepLease.
	stepTime = 5 * time.Second
)

// Replayer carries out replays of dead letters, in steps of one second. Any
// number of replicas may run one: each step is done by one of them, and each
// letter's part of the progress is written in the transaction that restarts its
// image, so that a replay goes on exactly where a process has ended.
type Replayer struct {
	letters *Service
}

// NewReplayer returns a replayer of dead letters.
func NewReplayer(letters *Service) *Replayer { return &Replayer{letters: letters} }

// Run does the steps that are due until ctx ends.
func (r *Replayer) Run(ctx context.Context) error {
	return postgres.Poll(ctx, replayInterval, r.letters.log, "Replay of dead letters cannot go on", r.Step)
}

// Step takes one replay that is due one step further, and says whether there was
// one.
func (r *Replayer) Step(ctx context.Context) (bool, error) {
	s, err := r.letters.claimReplay(ctx)
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
	// Also while stopping, so that another replica goes on at once.
	return true, errors.Join(err, r.letters.releaseReplay(context.WithoutCancel(ctx), s))
}

// work replays up to Rate letters, and ends the replay where nothing is left or a
// canary has failed.
func (r *Replayer) work(ctx context.Context, s replayStep) error {
	want, waiting := s.Rate, 0
	if !s.CanaryPassed {
		canaries, err := r.lookAtCanaries(ctx, s.ID)
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
	letters, err := r.letters.selectForReplay(ctx, s, want)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, letter := range letters {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(began) > stepTime {
			return nil
		}
		if err := r.replay(ctx, s, letter); err != nil {
			return err
		}
	}
	switch {
	case len(letters) == want, waiting > 0, !s.CanaryPassed && len(letters) > 0:
		return nil
	}
	return r.finish(ctx, s, ReplayDone, nil)
}

func (r *Replayer) lookAtCanaries(ctx context.Context, replay uuid.UUID) (count CanaryCount, err error) {
	err = r.letters.store.Read(ctx, "canaries", func(ctx context.Context) error {
		count, err = selectCanaries(ctx, r.letters.store.Pool, replay)
		return err
	})
	return count, err
}

// replay begins the work behind one letter anew, or counts why it cannot.
func (r *Replayer) replay(ctx context.Context, s replayStep, letter letterToReplay) error {
	if !letter.ImageID.Valid {
		return r.letters.skip(ctx, s, letter, ReplayCount{Unreadable: 1})
	}
	_, err := r.letters.catalogue.Write(ctx, product.Everything(), letter.ProductID.Int64, "replay image", func(ctx context.Context, e *catalogue.Edit) error {
		generation, err := e.Restart(ctx, letter.ImageID.UUID, letter.Generation.Int64)
		if err != nil {
			return err
		}
		if !s.CanaryPassed {
			if err := insertCanary(ctx, e.Tx, s.ID, letter.ImageID.UUID, generation); err != nil {
				return err
			}
		}
		return advance(ctx, e.Tx, s, letter, ReplayCount{Replayed: 1})
	})
	switch {
	case err == nil, errors.Is(err, errStepLost), errors.Is(err, product.ErrUnavailable), ctx.Err() != nil:
		return err
	case errors.Is(err, catalogue.ErrNotFailed):
		return r.letters.skip(ctx, s, letter, ReplayCount{Changed: 1})
	case errors.Is(err, product.ErrNotFound):
		return r.letters.skip(ctx, s, letter, ReplayCount{Gone: 1})
	}
	// One letter must not hold up all others for ever.
	r.letters.log.WithError(err).WithFields(logrus.Fields{"replay_id": s.ID, "dead_letter_id": letter.ID}).Error("dead letter cannot be replayed")
	return r.letters.skip(ctx, s, letter, ReplayCount{Broken: 1})
}

// stop ends a replay for its first canary that failed again.
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
	err := r.letters.store.Get(ctx, "failed canary", &failed, q, s.ID)
	if err != nil && !errors.Is(err, product.ErrNotFound) { // it may be deleted by now, and has failed all the same
		return err
	}
	reason := fmt.Sprintf("canary image %s failed again: %s: %s", failed.ID, failed.Code, failed.Detail)
	if failed.Code == "" {
		reason = "a canary image failed again"
	}
	return r.finish(ctx, s, ReplayStopped, &reason)
}

// passCanaries lets a replay go on to the letters behind its canaries.
func (r *Replayer) passCanaries(ctx context.Context, s replayStep) error {
	const q = `
		UPDATE dead_letter_replays SET canary_passed = true, updated_at = clock_timestamp()
		WHERE id = $1 AND steps = $2 AND state = 'running'`
	return r.letters.store.InTx(ctx, "pass canaries", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, s.ID, s.Step)
		return postgres.RequireRow(result, err, errStepLost)
	})
}

// finish ends a replay.
func (r *Replayer) finish(ctx context.Context, s replayStep, state ReplayState, reason *string) error {
	const q = `
		UPDATE dead_letter_replays SET state = $3, reason = $4, updated_at = clock_timestamp(), finished_at = clock_timestamp()
		WHERE id = $1 AND steps = $2 AND state = 'running'`
	err := r.letters.store.InTx(ctx, "finish replay", func(ctx context.Context, tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, q, s.ID, s.Step, state, reason)
		return postgres.RequireRow(result, err, errStepLost)
	})
	if err != nil {
		return err
	}
	entry := r.letters.log.WithFields(logrus.Fields{"replay_id": s.ID, "state": string(state), "request_id": s.RequestID})
	if reason != nil {
		entry.WithField("reason", *reason).Warn("dead letters replayed")
		return nil
	}
	entry.Info("dead letters replayed")
	return nil
}
