package worker

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// outcome returns the outcome of an attempt that made m or ended with err.
func (a *attempt) outcome(ctx context.Context, m *made, err error) imaging.Outcome {
	o := imaging.Outcome{Stage: a.stage, Started: a.started, Duration: time.Since(a.started)}
	if err == nil {
		o.Result, o.Unchanged = &m.Result, m.unchanged
		return o
	}
	var known *imaging.Error
	switch {
	case ctx.Err() != nil:
		o.Err = &imaging.Error{Code: imaging.CodeInternal, Stage: a.stage, Transient: true, Ours: true,
			Detail: "the service was stopped during the attempt", Err: ctx.Err()}
		o.Retry = true
		return o
	case errors.As(err, &known):
		o.Err = known
	default:
		o.Err = internal(a.stage, err)
	}
	switch {
	case o.Err.Ours:
		o.Retry, o.RetryIn = true, max(oursWait(), o.Err.RetryAfter)
	case o.Err.Transient && a.claim.Attempt < a.worker.cfg.MaxAttempts:
		wait := backoff(a.claim.Attempt-1, a.worker.cfg.RetryBase, a.worker.cfg.RetryCap)
		o.Retry, o.RetryIn = true, max(wait, min(o.Err.RetryAfter, fetch.MaxRetryAfter))
	}
	return o
}

// handBack limits the settlement of a job after ctx has ended.
const handBack = 3 * time.Second

// settle settles the outcome. A job that cannot be settled in time keeps its lease until that
// expires, and the broker delivers its message again.
func (a *attempt) settle(ctx context.Context, o imaging.Outcome) Verdict {
	write := func(ctx context.Context) error { return a.worker.store.Settle(ctx, a.claim, o) }
	err := ctx.Err()
	if err == nil {
		err = a.worker.reach(ctx, a.log, write)
	}
	if err != nil && ctx.Err() != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBack)
		defer cancel()
		err = a.worker.reach(last, a.log, write)
	}
	switch {
	case errors.Is(err, imaging.ErrLeaseLost), errors.Is(err, imaging.ErrNothingToDo):
		return a.lost()
	case err != nil:
		a.log.WithError(err).Warn("Image job not settled")
		return Leave
	}
	a.report(o)
	if o.Err != nil && !o.Retry && !a.claim.Reprocess {
		return DeadLetter
	}
	return Ack
}

// report logs and counts a settled outcome.
func (a *attempt) report(o imaging.Outcome) {
	log := a.log.WithField("duration_ms", o.Duration.Milliseconds())
	if o.Err == nil {
		a.reportSuccess(log, o)
		return
	}
	log = log.WithFields(logrus.Fields{"code": o.Err.Code, "stage": o.Err.Stage, "detail": o.Err.Detail})
	if o.Err.Err != nil {
		log = log.WithError(o.Err.Err)
	}
	switch {
	case o.Retry:
		a.count("retry", o.Err.Code)
		log.WithField("retry_in_ms", o.RetryIn.Milliseconds()).Warn("Image job will be retried")
	case a.claim.Reprocess:
		a.countReprocessed("kept", o)
		log.Warn("Reprocessing failed, image left as it was")
	default:
		a.count("failed", o.Err.Code)
		log.Warn("Image failed")
	}
}

func (a *attempt) reportSuccess(log *logrus.Entry, o imaging.Outcome) {
	switch {
	case o.Unchanged:
		a.countReprocessed("unchanged", o)
		log.Debug("Image is up to date")
	case a.claim.Reprocess:
		saved := savedBytes(o.Result.Variants)
		a.countReprocessed("reprocessed", o)
		a.worker.metrics.reprocessSaved.Add(float64(saved))
		log.WithField("bytes_saved", saved).Info("Image reprocessed")
	default:
		a.count("ready", "")
		log.WithFields(logrus.Fields{
			"bytes_before": o.Result.SourceBytes, "bytes_after": o.Result.Variants[0].Bytes,
		}).Info("Image ready")
	}
}

// count counts the attempt.
func (a *attempt) count(outcome string, code imaging.Code) {
	if a.claim.Reprocess {
		a.worker.metrics.reprocessed.WithLabelValues(string(a.claim.Reason), outcome).Inc()
		return
	}
	a.worker.metrics.attempts.WithLabelValues(outcome, string(code)).Inc()
}

// countReprocessed counts an attempt that ended the reprocessing of the image.
func (a *attempt) countReprocessed(outcome string, o imaging.Outcome) {
	a.count(outcome, "")
	a.worker.metrics.reprocessSeconds.Observe(o.Duration.Seconds())
}

// savedBytes returns the number of bytes by which the WebP variants are smaller than the
// other variants of their size.
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
