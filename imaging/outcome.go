package imaging

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"
)

// outcome decides what a try's end means.
func (t *try) outcome(ctx context.Context, result *Result, err error) Outcome {
	o := Outcome{Result: result, Stage: t.stage, Started: t.started, Duration: time.Since(t.started)}
	if err == nil {
		return o
	}
	var known *Error
	switch {
	case ctx.Err() != nil:
		o.Err = &Error{Code: CodeInternal, Stage: t.stage, Transient: true, Ours: true,
			Detail: "the service was stopped during the try", Err: ctx.Err()}
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
		o.Retry, o.RetryIn = true, max(wait, min(o.Err.RetryAfter, MaxRetryAfter))
	}
	return o
}

// handBack bounds how long a job is handed back after ctx has ended.
const handBack = 3 * time.Second

// settle writes the outcome. A job that cannot be handed back in time is left to
// its lease; so is its message, which the broker then delivers again.
func (t *try) settle(ctx context.Context, o Outcome) Verdict {
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
	case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrNothingToDo):
		return t.lost()
	case err != nil:
		t.log.WithError(err).Warn("Image job not settled")
		return Leave
	}
	t.report(o)
	if o.Err != nil && !o.Retry {
		return DeadLetter
	}
	return Ack
}

// report logs and counts a settled outcome.
func (t *try) report(o Outcome) {
	m := t.worker.metrics
	log := t.log.WithField("duration_ms", o.Duration.Milliseconds())
	if o.Err == nil {
		m.tries.WithLabelValues("ready", "").Inc()
		log.WithFields(logrus.Fields{
			"bytes_before": o.Result.SourceBytes, "bytes_after": o.Result.Variants[0].Bytes,
		}).Info("Image ready")
		return
	}
	log = log.WithFields(logrus.Fields{"code": o.Err.Code, "stage": o.Err.Stage, "detail": o.Err.Detail})
	if o.Err.Err != nil {
		log = log.WithError(o.Err.Err)
	}
	if o.Retry {
		m.tries.WithLabelValues("retry", string(o.Err.Code)).Inc()
		log.WithField("retry_in_ms", o.RetryIn.Milliseconds()).Warn("Image to be tried again")
		return
	}
	m.tries.WithLabelValues("failed", string(o.Err.Code)).Inc()
	log.Warn("Image failed")
}
