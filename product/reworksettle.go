package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// finish gives the image its new variants, in one transaction with the product's
// next version and the deletion of what it no longer needs.
func (r *reworks) finish(ctx context.Context, t reworkTry, done *imaging.Reworked) error {
	_, err := r.service.write(ctx, Everything(), t.ProductID, "rework image", func(ctx context.Context, e *edit) error {
		before := e.image(t.ImageID)
		if before == nil {
			return fmt.Errorf("rework image: %w", imaging.ErrLeaseLost)
		}
		row, err := replaceVariants(ctx, e.tx, t.Rework, done)
		if err != nil {
			return err
		}
		if err := e.giveUpObjects(ctx, before, &row); err != nil {
			return err
		}
		if err := e.giveUpOriginal(ctx, t.Rework, done.Recipe); err != nil {
			return err
		}
		e.changed = !slices.Equal(before.Variants, row.Variants)
		e.replace(row)
		return r.attempt(t, outcomeReworked, nil).insert(ctx, e.tx)
	})
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, imaging.ErrLeaseLost):
		return errors.Join(imaging.ErrLeaseLost, r.abandon(ctx, t, done.Digest))
	case err != nil:
		return err
	}
	saved := savedBytes(done.Variants)
	r.metrics.saved.Add(float64(saved))
	r.note(t, outcomeReworked)
	t.log.WithFields(logrus.Fields{
		"duration_ms": time.Since(t.started).Milliseconds(), "bytes_saved": saved,
	}).Info("Image reworked")
	return nil
}

// abandon has what was stored in vain deleted, unless an image has it by then.
func (r *reworks) abandon(ctx context.Context, t reworkTry, digest string) error {
	return r.store.inTx(ctx, "abandon rework", func(ctx context.Context, tx *sqlx.Tx) error {
		return insertOutbox(ctx, tx, []outboxRow{lateDeletionRow(t.ObjectKey, digest)})
	})
}

// leave notes that there was nothing to do, and what was learnt about the source.
func (r *reworks) leave(ctx context.Context, t reworkTry, learnt *imaging.Reworked) error {
	known := t.Was.Validators
	if learnt != nil {
		known = learnt.Validators
	}
	if err := r.conclude(ctx, t, known, t.Was.Recipe, r.attempt(t, outcomeUnchanged, nil)); err != nil {
		return err
	}
	r.note(t, outcomeUnchanged)
	t.log.WithField("duration_ms", time.Since(t.started).Milliseconds()).Debug("Image is as it should be")
	return nil
}

// giveUp leaves the image ready as it is, and tells why.
func (r *reworks) giveUp(ctx context.Context, t reworkTry, why *imaging.Error) error {
	if err := r.conclude(ctx, t, t.Was.Validators, "", r.attempt(t, outcomeKept, why)); err != nil {
		return err
	}
	r.note(t, outcomeKept)
	t.log.WithFields(logrus.Fields{"code": why.Code, "stage": why.Stage, "detail": why.Detail}).
		WithError(why.Err).Warn("Rework given up, image kept as it was")
	return nil
}

// conclude remembers a try after which the image stays as it is. recipe is that of
// images that need no more, empty after a failure.
func (r *reworks) conclude(
	ctx context.Context, t reworkTry, known imaging.Validators, recipe string, attempt *attemptRow,
) error {
	_, err := r.service.write(ctx, Everything(), t.ProductID, "conclude rework", func(ctx context.Context, e *edit) error {
		image := e.image(t.ImageID)
		if image == nil {
			return nil // its attempts have gone with it
		}
		if err := e.giveUpObjects(ctx, image, image); err != nil {
			return err
		}
		if known != t.Was.Validators {
			if err := keepValidators(ctx, e.tx, t.Rework, known); err != nil {
				return err
			}
		}
		if err := e.giveUpOriginal(ctx, t.Rework, recipe); err != nil {
			return err
		}
		return attempt.insert(ctx, e.tx)
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// giveUpOriginal has the source deleted that the first pass has kept for the second,
// once no image of the product waits for it.
func (e *edit) giveUpOriginal(ctx context.Context, r imaging.Rework, recipe string) error {
	if r.Reason != imaging.ReasonWebP || uploadedSource(r.Source) {
		return nil
	}
	needed, err := needsOriginal(ctx, e.tx, r, recipe)
	if err == nil && !needed {
		e.outbox = append(e.outbox, originalRow(r.ObjectKey, r.Was.SourceSHA256))
	}
	return err
}

func uploadedSource(source string) bool {
	_, ok := parseUploadSource(source)
	return ok
}

// attempt is the try as it is remembered; why is nil unless it failed.
func (r *reworks) attempt(t reworkTry, outcome string, why *imaging.Error) *attemptRow {
	row := &attemptRow{
		ImageID: t.ImageID, Generation: t.Generation, Attempt: max(t.Attempt, 1), Stage: imaging.StageStore, Outcome: outcome,
		Worker: r.owner, RequestID: t.RequestID, StartedAt: t.started, DurationMS: time.Since(t.started).Milliseconds(),
		Detail: sql.NullString{String: string(t.Reason), Valid: true},
	}
	if outcome == outcomeUnchanged {
		row.Stage = imaging.StageFetch
	}
	if why != nil {
		row.Stage, row.Code = why.Stage, null(string(why.Code))
		row.Detail = null(storable(string(t.Reason) + ": " + why.Detail))
	}
	return row
}

func (r *reworks) note(t reworkTry, outcome string) {
	r.metrics.ended.WithLabelValues(string(t.Reason), outcome).Inc()
	r.metrics.seconds.Observe(time.Since(t.started).Seconds())
}

// savedBytes is how much less the WebP variants have than those of the same size.
func savedBytes(all []imaging.Variant) (saved int64) {
	first := map[string]int64{}
	for _, v := range all {
		if _, known := first[v.Name]; !known {
			first[v.Name] = v.Bytes
			continue
		}
		saved += max(0, first[v.Name]-v.Bytes)
	}
	return saved
}
