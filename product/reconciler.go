package product

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

const (
	reconcileInterval = 5 * time.Second
	reconcileBatch    = 500
	purgeBatch        = 5000 // a thousand a second, which is more than are made
	fileBatch         = 50
	// reconcileRounds bounds the full batches of one step in one pass.
	reconcileRounds = 20
	depthTimeout    = 3 * time.Second

	// leaseGrace is how long after its lease's end a worker may still finish.
	leaseGrace = 2 * time.Second
	// requeuePause is the time between two jobs for the same image.
	requeuePause = 30 * time.Second
	// lostAfter is when a job that was sent counts as lost although the queue
	// is not empty.
	lostAfter = 15 * time.Minute
	// unfiledAfter is how long the broker has to bring a failure to its file.
	unfiledAfter = time.Minute
)

// Queue tells how many messages wait for a consumer.
type Queue interface {
	Depth(ctx context.Context) (int, error)
}

// Reconciler puts back what got lost between the database and the queue: images
// whose worker vanished, whose message is gone, or whose failure was not filed.
// Any number of replicas may run one: they take turns.
type Reconciler struct {
	store *Store
	queue Queue
	log   *logrus.Logger
}

// NewReconciler makes a reconciler.
func NewReconciler(store *Store, queue Queue, log *logrus.Logger) *Reconciler {
	return &Reconciler{store: store, queue: queue, log: log}
}

// Run makes a pass every five seconds until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(reconcileInterval)
	defer tick.Stop()
	down := false
	for {
		err := r.Pass(ctx)
		if err != nil && ctx.Err() == nil && !down {
			r.log.WithError(err).Warn("reconciler is held up")
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Pass looks once, unless another replica is at it.
func (r *Reconciler) Pass(ctx context.Context) error {
	steps := []struct {
		name  string
		batch int64
		do    func(context.Context, *sqlx.Tx) (int64, error)
	}{
		{"expired leases", reconcileBatch, requeueExpired},
		{"lost jobs", reconcileBatch, r.requeueLost(ctx)},
		{"unfiled failures", fileBatch, fileUnfiled},
		{"old idempotency keys", purgeBatch, purgeKeys},
		{"old replays", reconcileBatch, purgeReplays},
	}
	for _, step := range steps {
		total, n := int64(0), step.batch
		for round := 0; n == step.batch && round < reconcileRounds; round++ {
			err := r.store.inTx(ctx, "reconcile "+step.name, func(ctx context.Context, tx *sqlx.Tx) (err error) {
				n, err = inTurn(ctx, tx, step.name, step.do)
				return err
			})
			if err != nil {
				return err
			}
			total += n
		}
		if total > 0 {
			r.log.WithFields(logrus.Fields{"step": step.name, "rows": total}).Info("reconciled")
		}
	}
	return nil
}

// inTurn does nothing while another replica is at the same step. Each schema has
// its own turns.
func inTurn(ctx context.Context, tx *sqlx.Tx, step string, do func(context.Context, *sqlx.Tx) (int64, error)) (int64, error) {
	const q = `SELECT pg_try_advisory_xact_lock(hashtextextended('vitrine reconcile ' || current_schema() || ' ' || $1, 0))`
	var turn bool
	if err := tx.GetContext(ctx, &turn, q, step); err != nil || !turn {
		return 0, err
	}
	return do(ctx, tx)
}

// requeue is the end of the statements that give images a new job: due has to
// have the columns id, generation and request_id. Rows that are locked are being
// worked on, and left for the next pass.
const requeue = `,
	marked AS (
		UPDATE images SET queued_at = clock_timestamp() FROM due WHERE images.id = due.id
	),
	written AS (
		INSERT INTO outbox (kind, subject, payload, request_id)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', generation), request_id FROM due
		RETURNING kind
	)
	SELECT count(*), pg_notify('` + notifyChannel + `', 'image_job') FROM written HAVING count(*) > 0`

// requeueExpired gives a new job to images whose worker vanished.
func requeueExpired(ctx context.Context, tx *sqlx.Tx) (int64, error) {
	const q = `
		WITH due AS (
			SELECT id, generation, request_id FROM images
			WHERE status = 'processing' AND lease_until < now() - $1 * interval '1 microsecond'
				AND queued_at < now() - $2 * interval '1 microsecond'
				AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_job')
			ORDER BY lease_until
			LIMIT $3
			FOR UPDATE SKIP LOCKED
		)` + requeue
	return countRequeued(ctx, tx, q, leaseGrace.Microseconds(), requeuePause.Microseconds(), reconcileBatch)
}

// requeueLost gives a new job to pending images whose message must be gone. An
// empty queue proves that soon; otherwise the message may just wait its turn.
func (r *Reconciler) requeueLost(ctx context.Context) func(context.Context, *sqlx.Tx) (int64, error) {
	age := lostAfter
	bounded, cancel := context.WithTimeout(ctx, depthTimeout)
	defer cancel()
	if depth, err := r.queue.Depth(bounded); err == nil && depth == 0 {
		age = requeuePause
	}
	const q = `
		WITH due AS (
			SELECT id, generation, request_id FROM images
			WHERE status = 'pending' AND queued_at < now() - $1 * interval '1 microsecond'
				AND NOT EXISTS (SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_job')
			ORDER BY queued_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)` + requeue
	return func(ctx context.Context, tx *sqlx.Tx) (int64, error) {
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

// fileUnfiled files failures whose message the broker has lost.
func fileUnfiled(ctx context.Context, tx *sqlx.Tx) (int64, error) {
	const q = `
		SELECT id, product_id, source, generation, status, dead_lettered, error_code, error_detail, error_stage, request_id
		FROM images
		WHERE status = 'failed' AND NOT dead_lettered AND settled_at < now() - $1 * interval '1 microsecond'
		ORDER BY settled_at
		LIMIT $2
		FOR UPDATE SKIP LOCKED`
	var images []deadImage
	if err := tx.SelectContext(ctx, &images, q, unfiledAfter.Microseconds(), fileBatch); err != nil {
		return 0, err
	}
	for _, image := range images {
		body, err := imaging.Job{ImageID: image.ID, Generation: image.Generation, RequestID: image.RequestID}.Encode()
		if err != nil {
			return 0, fmt.Errorf("image %s: %w", image.ID, err)
		}
		if err := fileFailure(ctx, tx, image, body, reasonReconciled, image.RequestID); err != nil {
			return 0, err
		}
	}
	return int64(len(images)), nil
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
