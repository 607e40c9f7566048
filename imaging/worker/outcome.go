package worker

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// outcome decides what the end of an attempt means. err is nil if m is set.
func (t *attempt) outcome(ctx context.Context, m *made, err error) imaging.Outcome {
	o := imaging.Outcome{Stage: t.stage, Started: t.started, Duration: time.Since(t.started)}
	if err == nil {
		o.Result, o.Unchanged = &m.Result, m.unchanged
		return o
	}
	var known *imaging.Error
	switch {
	case ctx.Err() != nil:
		o.Err = &imaging.Error{Code: imaging.CodeInternal, Stage: t.stage, Transient: true, Ours: true,
			Detail: "the service was stopped during the attempt", Err: ctx.Err()}
		o.Retry = true
		return o
	case errors.As(err, &known):
		o.Err = known
	default:
		o.Err = internal(t.stage, err)
	}
	switch {
	case o.Err.Ours:
		o.Retry, o.RetryIn = true, max(oursWait(), o.Err.RetryAfter)
	case o.Err.Transient && t.claim.Attempt < t.worker.cfg.MaxAttempts:
		wait := backoff(t.claim.Attempt-1, t.worker.cfg.RetryBase, t.worker.cfg.RetryCap)
		o.Retry, o.RetryIn = true, max(wait, min(o.Err.RetryAfter, fetch.MaxRetryAfter))
	}
	return o
}

// handBack bounds how long a job is handed back after ctx has ended.
const handBack = 3 * time.Second

// settle writes the outcome. A job that cannot be handed back in time is left to its
// lease; so is its message, which the broker then delivers again.
func (t *attempt) settle(ctx context.Context, o imaging.Outcome) Verdict {
	write := func(ctx context.Context) error { return t.worker.store.Settle(ctx, t.claim, o) }
	err := ctx.Err()
	if err == nil {
		err = t.worker.reach(ctx, t.log, write)
	}
	if err != nil && ctx.Err() != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBack)
		defer cancel()
		err = t.worker.reach(last, t.log, write)
	}
	switch {
	case errors.Is(err, imaging.ErrLeaseLost), errors.Is(err, imaging.ErrNothingToDo):
		return t.lost()
	case err != nil:
		t.log.WithError(err).Warn("Image job not settled")
		return Leave
	}
	t.report(o)
	if o.Err != nil && !o.Retry && !t.claim.Reprocess {
		return DeadLetter
	}
	return Ack
}

// report logs and counts a settled outcome.
func (t *attempt) report(o imaging.Outcome) {
	log := t.log.WithField("duration_ms", o.Duration.Milliseconds())
	if o.Err == nil {
		t.reportSuccess(log, o)
		return
	}
	log = log.WithFields(logrus.Fields{"code": o.Err.Code, "stage": o.Err.Stage, "detail": o.Err.Detail})
	if o.Err.Err != nil {
		log = log.WithError(o.Err.Err)
	}
	switch {
	case o.Retry:
		t.count("retry", o.Err.Code)
		log.WithField("retry_in_ms", o.RetryIn.Milliseconds()).Warn("Image job will be retried")
	case t.claim.Reprocess:
		t.countReprocessed("kept", o)
		log.Warn("Reprocessing given up, image kept as it was")
	default:
		t.count("failed", o.Err.Code)
		log.Warn("Image failed")
	}
}

func (t *attempt) reportSuccess(log *logrus.Entry, o imaging.Outcome) {
	switch {
	case o.Unchanged:
		t.countReprocessed("unchanged", o)
		log.Debug("Image is up to date")
	case t.claim.Reprocess:
		saved := savedBytes(o.Result.Variants)
		t.countReprocessed("reprocessed", o)
		t.worker.metrics.reprocessSaved.Add(float64(saved))
		log.WithField("bytes_saved", saved).Info("Image reprocessed")
	default:
		t.count("ready", "")
		log.WithFields(logrus.Fields{
			"bytes_before": o.Result.SourceBytes, "bytes_after": o.Result.Variants[0].Bytes,
		}).Info("Image ready")
	}
}

// count counts the attempt.
func (t *attempt) count(outcome string, code imaging.Code) {
	if t.claim.Reprocess {
		t.worker.metrics.reprocessed.WithLabelValues(string(t.claim.Reason), outcome).Inc()
		return
	}
	t.worker.metrics.attempts.WithLabelValues(outcome, string(code)).Inc()
}

// countReprocessed counts an attempt that ended the reprocessing of the image.
func (t *attempt) countReprocessed(outcome string, o imaging.Outcome) {
	t.count(outcome, "")
	t.worker.metrics.reprocessSeconds.Observe(o.Duration.Seconds())
}

// savedBytes returns by how many bytes the WebP variants are smaller than those of the
// same size.
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
