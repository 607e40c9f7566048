package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/product"
	"vitrine/product/deadletter"
	"vitrine/product/event"
	"vitrine/product/job"
	"vitrine/product/postgres"
	"vitrine/product/upload"
)

const (
	reconcileInterval = 5 * time.Second
	// reconcileRounds bounds the full batches of one step in one pass.
	reconcileRounds = 20
	// outageGrace is how long lease holders have to renew their leases after an outage of
	// PostgreSQL.
	outageGrace = 15 * time.Second
)

// Batch changes a bounded number of rows in a transaction. It returns how many, and
// whether there may be more.
type Batch func(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error)

// Step is a part of a pass of the [Reconciler].
type Step struct {
	Name string
	// Begin returns the batch for one pass. It runs outside a transaction.
	Begin func(context.Context) Batch
	// Leases is set if the step treats expired leases as lost. The step then waits after
	// an outage of PostgreSQL, during which no lease could be renewed.
	Leases bool
}

// Steps returns the steps of the service's reconciler, in order.
func Steps(queue job.Queue) []Step {
	plain := func(f Batch) func(context.Context) Batch { return func(context.Context) Batch { return f } }
	return []Step{
		{Name: "expired leases", Begin: plain(job.RequeueExpired), Leases: true},
		{Name: "lost jobs", Begin: func(ctx context.Context) Batch { return job.RequeueLost(ctx, queue) }},
		{Name: "old idempotency keys", Begin: plain(postgres.PurgeIdempotencyKeys)},
		{Name: "old replays", Begin: plain(deadletter.PurgeReplays)},
		{Name: "old events", Begin: plain(event.Purge)},
		{Name: "old uploads", Begin: plain(upload.Purge)},
	}
}

// Reconciler requeues jobs that were lost between the database and the queue, and purges old
// rows. Every replica may run one; only one replica at a time carries out a step.
type Reconciler struct {
	store *postgres.DB
	steps []Step
	log   *logrus.Logger
	renew time.Time // expired leases may be renewed until then
}

// NewReconciler returns a reconciler that carries out the steps in order.
func NewReconciler(store *postgres.DB, steps []Step, log *logrus.Logger) *Reconciler {
	return &Reconciler{store: store, steps: steps, log: log}
}

// Run carries out a pass every five seconds until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	r.awaitRenewals() // the process may start at the end of an outage
	return postgres.Poll(ctx, reconcileInterval, r.log, "Reconciler pass failed, retrying", func(ctx context.Context) (bool, error) {
		return false, r.Pass(ctx)
	})
}

// awaitRenewals disables steps with Leases for outageGrace.
func (r *Reconciler) awaitRenewals() { r.renew = time.Now().Add(outageGrace) }

// Pass carries out every step once. It skips a step that another replica is carrying out. After
// an error it continues with the next step, unless PostgreSQL is unavailable: workers cannot
// renew their leases then either, so it stops and lets them renew first. Pass is not safe for
// concurrent use.
func (r *Reconciler) Pass(ctx context.Context) error {
	var errs []error
	for _, step := range r.steps {
		if step.Leases && time.Now().Before(r.renew) {
			continue
		}
		err := r.do(ctx, step)
		if err == nil {
			continue
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
		// A step that is too slow, or waits too long for a lock, returns the same error.
		if errors.Is(err, product.ErrUnavailable) && r.store.Check(ctx) != nil {
			r.awaitRenewals()
			break
		}
	}
	return errors.Join(errs...)
}

// do repeats a step until nothing is left or reconcileRounds is reached.
func (r *Reconciler) do(ctx context.Context, step Step) error {
	total, batch := int64(0), step.Begin(ctx)
	var err error
	for round, more := 0, true; err == nil && more && round < reconcileRounds; round++ {
		var rows int64
		err = r.store.InTx(ctx, "reconcile "+step.Name, func(ctx context.Context, tx *sqlx.Tx) (err error) {
			rows, more, err = exclusively(ctx, tx, step.Name, batch)
			return err
		})
		if err == nil {
			total += rows
		}
	}
	if total > 0 {
		r.log.WithFields(logrus.Fields{"step": step.Name, "rows": total}).Info("Reconciler step changed rows")
	}
	return err
}

// exclusively runs the batch unless another replica is carrying out the same step in this
// schema.
func exclusively(ctx context.Context, tx *sqlx.Tx, step string, batch Batch) (rows int64, more bool, err error) {
	const q = `SELECT pg_try_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' ' || $1, 0))`
	var locked bool
	if err := tx.GetContext(ctx, &locked, q, step); err != nil || !locked {
		return 0, false, err
	}
	return batch(ctx, tx)
}
