package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// attempt is one execution of a claimed job.
type attempt struct {
	worker  *Worker
	claim   imaging.Claim
	log     *logrus.Entry
	started time.Time
	stage   imaging.Stage
}

// run executes the job while it renews the lease, and settles the outcome.
func (a *attempt) run(ctx context.Context) Verdict {
	work, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		a.renew(work, cancel)
	}()
	defer func() {
		cancel(nil)
		<-renewed
	}()
	made, err := guarded(work, a.log, &a.stage, a.work)
	if errors.Is(context.Cause(work), imaging.ErrLeaseLost) || errors.Is(err, imaging.ErrLeaseLost) {
		return a.lost()
	}
	return a.settle(ctx, a.outcome(ctx, made, err))
}

// renew extends the lease until work ends or the lease is lost, which ends work. It
// keeps trying while the job store is unavailable: then no other worker can take
// the lease either.
func (a *attempt) renew(work context.Context, cancel context.CancelCauseFunc) {
	lease := a.worker.cfg.Lease
	for sleep(work, lease/4) == nil {
		bounded, done := context.WithTimeout(work, lease/4)
		err := a.worker.store.Renew(bounded, a.claim, lease)
		done()
		switch {
		case errors.Is(err, imaging.ErrLeaseLost):
			cancel(imaging.ErrLeaseLost)
			return
		case err != nil && work.Err() == nil:
			a.log.WithError(err).Warn("Image lease not renewed")
		}
	}
}

func (a *attempt) lost() Verdict {
	a.count("lost", "")
	a.log.Warn("Image lease lost")
	return Ack
}

// made is the result of a successful attempt.
type made struct {
	imaging.Result
	unchanged bool // see [imaging.Outcome]
}

// work executes the job.
func (a *attempt) work(ctx context.Context) (*made, error) {
	if a.claim.Attempt > a.worker.cfg.MaxAttempts {
		return nil, &imaging.Error{Code: imaging.CodeWorkerCrashed, Stage: imaging.StageClaim,
			Detail: fmt.Sprintf("%d attempts ended with a crash of the worker", a.worker.cfg.MaxAttempts)}
	}
	if a.claim.Reprocess {
		return a.reprocess(ctx)
	}
	result, err := a.first(ctx)
	if err != nil {
		return nil, err
	}
	return &made{Result: *result}, nil
}

func (a *attempt) observe(stage imaging.Stage, d time.Duration) {
	a.worker.metrics.stages.WithLabelValues(string(stage)).Observe(d.Seconds())
}
