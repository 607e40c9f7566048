package product

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"
)

const (
	reconcileInterval = 5 * time.Second
	reconcileBatch    = 500
	purgeBatch        = 5000 // a thousand a second, which is more than are made
	// reconcileRounds bounds the full batches of one step in one pass.
	reconcileRounds = 20
	depthTimeout    = 3 * time.Second

	// leaseGrace is how long after the end of its lease a worker may still finish.
	leaseGrace = 2 * time.Second
	// requeuePause is the time between two jobs for the same image.
	requeuePause = 30 * time.Second
	// lostAfter is when a job that was sent counts as lost although the queue
	// is not empty.
	lostAfter = 15 * time.Minute
	// outageGrace is how long workers get to renew their leases after an outage.
	outageGrace = 15 * time.Second
)

// Queue knows how many messages wait for a consumer, and when this process last created the
// queue because it was missing (zero: never). What was sent before that is lost.
type Queue interface {
	Depth(ctx context.Context) (int, error)
	Created() time.Time
}

// Reconciler puts back what got lost between the database and the queue: images whose
// worker vanished or whose message is gone. Any number of replicas may run one: they take
// turns.
type Reconciler struct {
	store *Store
	queue Queue
	log   *logrus.Logger
	renew time.Time // until then leases that have run out may still be renewed
}

// NewReconciler returns a reconciler.
func NewReconciler(store *Store, queue Queue, log *logrus.Logger) *Reconciler {
	return &Reconciler{store: store, queue: queue, log: log}
}

// Run makes a pass every five seconds until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(reconcileInterval)
	defer tick.Stop()
	r.awaitRenewals() // it may be the end of an outage that lets this process start
	down := false
	for {
		err := r.Pass(ctx)
		if err != nil && ctx.Err() == nil && !down {
			r.log.WithError(err).Warn("Reconciler is held up")
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// awaitRenewals leaves expired leases alone for a while.
func (r *Reconciler) awaitRenewals() { r.renew = time.Now().Add(outageGrace) }

// step is a part of a pass.
type step struct {
	name  string
	batch int64 // rows that do takes at most
	do    func(context.Context, *sqlx.Tx) (int64, error)
}

func (r *Reconciler) steps(ctx context.Context) []step {
	steps := []step{
		{"lost jobs", reconcileBatch, r.requeueLost(ctx)},
		{"old idempotency keys", purgeBatch, purgeKeys},
		{"old replays", reconcileBatch, purgeReplays},
		{"old events", purgeBatch, purgeEvents},
		{"old uploads", reconcileBatch, purgeUploads},
	}
	if time.Now().Before(r.renew) {
		return steps
	}
	return append([]step{{"expired leases", reconcileBatch, requeueExpired}}, steps...)
}

// Pass makes all steps once. It skips a step that another replica is making, and continues
// after a step that fails, unless the database is unavailable: then workers cannot renew
// their leases either, and get some time to do so before a pass counts them as gone. Pass is
// not for concurrent use.
func (r *Reconciler) Pass(ctx context.Context) error {
	var errs []error
	for _, step := range r.steps(ctx) {
		err := r.make(ctx, step)
		if err == nil {
			continue
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
		// A step that is merely too slow, or locked out, gives the same error.
		if errors.Is(err, ErrUnavailable) && r.store.Check(ctx) != nil {
			r.awaitRenewals()
			break
		}
	}
	return errors.Join(errs...)
}

// make makes a step until nothing is left to do, or it has done enough for one pass.
func (r *Reconciler) make(ctx context.Context, step step) error {
	total, n := int64(0), step.batch
	var err error
	for round := 0; err == nil && n == step.batch && round < reconcileRounds; round++ {
		err = r.store.inTx(ctx, "reconcile "+step.name, func(ctx context.Context, tx *sqlx.Tx) (err error) {
			n, err = inTurn(ctx, tx, step.name, step.do)
			return err
		})
		if err == nil {
			total += n
		}
	}
	if total > 0 {
		r.log.WithFields(logrus.Fields{"step": step.name, "rows": total}).Info("Reconciled")
	}
	return err
}

// inTurn does nothing while another replica makes the same step. Each schema has its own
// turns.
func inTurn(ctx context.Context, tx *sqlx.Tx, step string, do func(context.Context, *sqlx.Tx) (int64, error)) (int64, error) {
	const q = `SELECT pg_try_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' ' || $1, 0))`
	var turn bool
	if err := tx.GetContext(ctx, &turn, q, step); err != nil || !turn {
		return 0, err
	}
	return do(ctx, tx)
}

// requeue is the end of the statements that give images a new job: due has to have the
// columns id, generation, request_id and priority. Locked rows are being worked on, and
// left for the next pass.
const requeue = `,
	marked AS (
		UPDATE images SET queued_at = clock_timestamp(), sent = false FROM due WHERE images.id = due.id
	),
	written AS (
		INSERT INTO outbox (kind, subject, payload, request_id, priority)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', generation), request_id, priority FROM due
		RETURNING kind
	)
	SELECT count(*), pg_notify('` + notifyChannel + `', 'image_job') FROM written HAVING count(*) > 0`

// requeueExpired gives a new job to images whose worker vanished, whether they were about
// to become ready or being reprocessed.
func requeueExpired(ctx context.Context, tx *sqlx.Tx) (int64, error) {
	const q = `
		WITH due AS (
			SELECT id, generation, request_id,` + jobPriority + `AS priority FROM images
			WHERE lease_holder IS NOT NULL AND lease_until < now() - $1 * interval '1 microsecond'
				AND queued_at < now() - $2 * interval '1 microsecond'
				AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_job')
			ORDER BY lease_until
			LIMIT $3
			FOR UPDATE SKIP LOCKED
		)` + requeue
	return countRequeued(ctx, tx, q, leaseGrace.Microseconds(), requeuePause.Microseconds(), reconcileBatch)
}

// requeueLost gives a new job to images that have work due and whose message must be lost,
// because it was sent before the queue was made. An empty queue proves it soon; otherwise
// the message may still wait there. Once requeued, an image counts from then.
func (r *Reconciler) requeueLost(ctx context.Context) func(context.Context, *sqlx.Tx) (int64, error) {
	longest := lostAfter
	bounded, cancel := context.WithTimeout(ctx, depthTimeout)
	defer cancel()
	if depth, err := r.queue.Depth(bounded); err == nil && depth == 0 {
		longest = requeuePause
	}
	const q = `
		WITH due AS (
			SELECT id, generation, request_id,` + jobPriority + `AS priority FROM images
			WHERE (status = 'pending' OR reprocess <> '{}') AND lease_holder IS NULL AND queued_at < statement_timestamp() - $1 * interval '1 microsecond'
				AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_job')
			ORDER BY queued_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)` + requeue
	return func(ctx context.Context, tx *sqlx.Tx) (int64, error) {
		age := longest
		if created := r.queue.Created(); !created.IsZero() {
			// As an age, since the two clocks may differ.
			age = min(age, time.Since(created))
		}
		return countRequeued(ctx, tx, q, age.Microseconds(), reconcileBatch)
	}
}

func countRequeued(ctx context.Context, tx *sqlx.Tx, q string, args ...any) (int64, error) {
	var found []struct {
		Count  int64  `db:"count"`
		Notify string `db:"pg_notify"`
	}
	if err := tx.SelectContext(ctx, &found, q, args...); err != nil {
		return 0, fmt.Errorf("requeue: %w", err)
	}
	if len(found) == 0 {
		return 0, nil
	}
	return found[0].Count, nil
}

// purgeKeys forgets answers that nobody may ask for again.
func purgeKeys(ctx context.Context, tx *sqlx.Tx) (int64, error) {
	const q = `
		DELETE FROM idempotency_keys WHERE (owner, key) IN (
			SELECT owner, key FROM idempotency_keys WHERE expires_at < now() ORDER BY expires_at LIMIT $1
			FOR UPDATE SKIP LOCKED
		)`
	result, err := tx.ExecContext(ctx, q, purgeBatch)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
