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

// run executes the job, renews its lease meanwhile, and settles it.
func (t *attempt) run(ctx context.Context) Verdict {
	work, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		t.renew(work, cancel)
	}()
	defer func() {
		cancel(nil)
		<-renewed
	}()
	made, err := guarded(work, t.log, &t.stage, t.work)
	if errors.Is(context.Cause(work), imaging.ErrLeaseLost) || errors.Is(err, imaging.ErrLeaseLost) {
		return t.lost()
	}
	return t.settle(ctx, t.outcome(ctx, made, err))
}

// renew extends the lease until work ends or the lease is lost, which ends work. It
// keeps trying while the job store is unavailable: nobody else can take the lease then
// either.
func (t *attempt) renew(work context.Context, cancel context.CancelCauseFunc) {
	lease := t.worker.cfg.Lease
	for sleep(work, lease/4) == nil {
		bounded, done := context.WithTimeout(work, lease/4)
		err := t.worker.store.Renew(bounded, t.claim, lease)
		done()
		switch {
		case errors.Is(err, imaging.ErrLeaseLost):
			cancel(imaging.ErrLeaseLost)
			return
		case err != nil && work.Err() == nil:
			t.log.WithError(err).Warn("Image lease not renewed")
		}
	}
}

func (t *attempt) lost() Verdict {
	t.count("lost", "")
	t.log.Warn("Image lease lost")
	return Ack
}

// made is what an attempt has achieved.
type made struct {
	imaging.Result
	unchanged bool // see [imaging.Outcome]
}

// work executes the job.
func (t *attempt) work(ctx context.Context) (*made, error) {
	if t.claim.Attempt > t.worker.cfg.MaxAttempts {
		return nil, &imaging.Error{Code: imaging.CodeWorkerCrashed, Stage: imaging.StageClaim,
			Detail: fmt.Sprintf("%d attempts ended with a crash of the worker", t.worker.cfg.MaxAttempts)}
	}
	if t.claim.Reprocess {
		return t.reprocess(ctx)
	}
	result, err := t.first(ctx)
	if err != nil {
		return nil, err
	}
	return &made{Result: *result}, nil
}

func (t *attempt) observe(stage imaging.Stage, d time.Duration) {
	t.worker.metrics.stages.WithLabelValues(string(stage)).Observe(d.Seconds())
}
