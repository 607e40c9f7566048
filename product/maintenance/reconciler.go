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
	// outageGrace is how long, after a time in which nobody may have been able to
	// renew a lease, holders that live get to do so.
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
	// Leases reports that the step takes expired leases for lost: it waits after an
	// outage of PostgreSQL, in which nobody could renew any.
	Leases bool
}

// Steps returns what the reconciler repairs and forgets.
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

// Reconciler puts back what got lost between the database and the queue, and forgets what
// nobody may ask for any more. Any number of replicas may run one: they take turns.
type Reconciler struct {
	store *postgres.DB
	steps []Step
	log   *logrus.Logger
	renew time.Time // until then expired leases may still be renewed
}

// NewReconciler returns a reconciler that does the steps in their order.
func NewReconciler(store *postgres.DB, steps []Step, log *logrus.Logger) *Reconciler {
	return &Reconciler{store: store, steps: steps, log: log}
}

// Run makes a pass every five seconds until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	r.awaitRenewals() // the end of an outage may be what lets this process start
	return postgres.Poll(ctx, reconcileInterval, r.log, "Reconciler cannot finish a pass", func(ctx context.Context) (bool, error) {
		return false, r.Pass(ctx)
	})
}

// awaitRenewals leaves the leases alone for a while.
func (r *Reconciler) awaitRenewals() { r.renew = time.Now().Add(outageGrace) }

// Pass does every step once. It skips a step that another replica is doing. An error of
// one step does not keep the others from being done, unless the database is out of
// reach: then workers cannot renew their leases either, and get some time to do so
// before a pass counts them as gone. Pass is not safe for concurrent use.
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
		// A step that is merely too slow, or locked out, returns the same error.
		if errors.Is(err, product.ErrUnavailable) && r.store.Check(ctx) != nil {
			r.awaitRenewals()
			break
		}
	}
	return errors.Join(errs...)
}

// do repeats a step until nothing is left, or it has done enough for one pass.
func (r *Reconciler) do(ctx context.Context, step Step) error {
	total, batch := int64(0), step.Begin(ctx)
	var err error
	for round, more := 0, true; err == nil && more && round < reconcileRounds; round++ {
		var rows int64
		err = r.store.InTx(ctx, "reconcile "+step.Name, func(ctx context.Context, tx *sqlx.Tx) (err error) {
			rows, more, err = inTurn(ctx, tx, step.Name, batch)
			return err
		})
		if err == nil {
			total += rows
		}
	}
	if total > 0 {
		r.log.WithFields(logrus.Fields{"step": step.Name, "rows": total}).Info("Reconciled")
	}
	return err
}

// inTurn does nothing while another replica is doing the same step. Each schema has
// its own turns.
func inTurn(ctx context.Context, tx *sqlx.Tx, step string, batch Batch) (rows int64, more bool, err error) {
	const q = `SELECT pg_try_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' ' || $1, 0))`
	var turn bool
	if err := tx.GetContext(ctx, &turn, q, step); err != nil || !turn {
		return 0, false, err
	}
	return batch(ctx, tx)
}
