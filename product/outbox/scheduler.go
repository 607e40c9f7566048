package outbox

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product/postgres"
)

const (
	// queueBatch is how many jobs of a priority join the queues of their owners at once.
	queueBatch = 1000
	// sentFor is how long a message counts as in flight. After that it must be lost,
	// whether or not the reconciler has noticed.
	sentFor = 5 * time.Minute
	// sentLately is how long the broker's count of waiting messages may lag behind
	// what was taken from the outbox.
	sentLately = 5 * time.Second
	// ownersWeighed is how many owners a claim compares at least. The turn goes to the
	// one with the fewest jobs in flight.
	ownersWeighed = 32
	// turnTime is how long a frozen process can keep the others from claiming. It is
	// shorter than they wait for a lock.
	turnTime = postgres.LockTimeout / 2
)

// dueJobs says which image jobs can be claimed.
type dueJobs struct {
	Priority sql.NullInt32 `db:"priority"` // of the most urgent one; null if there is none
	Overdue  sql.NullInt32 `db:"overdue"`  // of the most urgent reprocessing job, if one has been due for too long
}

// queueDue puts image jobs that have become due into the queues of their owners, and
// returns which jobs can be claimed. The queues hold due jobs only, so that they can be
// walked without skipping others.
func (s *Store) queueDue(ctx context.Context, overdue time.Duration) (due dueJobs, err error) {
	const look = `
		SELECT (SELECT priority FROM outbox WHERE ` + inQueue + ` ORDER BY priority, owner LIMIT 1) AS priority,
			CASE WHEN coalesce((SELECT true FROM outbox WHERE ` + inQueue + ` AND priority > 0
					AND available_at <= statement_timestamp() - $1 * interval '1 microsecond'
					ORDER BY available_at LIMIT 1), false)
				THEN (SELECT priority FROM outbox WHERE ` + inQueue + ` AND priority > 0 ORDER BY priority, owner LIMIT 1)
				END AS overdue,
			EXISTS (SELECT FROM (VALUES (0), (1), (2)) AS p (priority) CROSS JOIN LATERAL (` + dueUnqueued + ` LIMIT 1) AS due) AS unqueued`
	var found struct {
		dueJobs
		Unqueued bool `db:"unqueued"`
	}
	read := func(ctx context.Context) error {
		return s.store.Pool.GetContext(ctx, &found, look, overdue.Microseconds())
	}
	if err := s.store.Read(ctx, "look at outbox", read); err != nil || !found.Unqueued {
		return found.dueJobs, err
	}
	const q = `
		UPDATE outbox SET in_queue = true, owner = coalesce(
			(SELECT products.user_id FROM images JOIN products ON products.id = images.product_id WHERE images.id = outbox.subject), 0)
		WHERE id = ANY (ARRAY (
			SELECT due.id FROM (VALUES (0), (1), (2)) AS p (priority)
			CROSS JOIN LATERAL (` + dueUnqueued + ` LIMIT $1 FOR UPDATE SKIP LOCKED) AS due))`
	err = s.store.InTx(ctx, "queue jobs", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, queueBatch)
		return err
	})
	if err != nil {
		return dueJobs{}, err
	}
	err = s.store.Read(ctx, "look at outbox", read)
	return found.dueJobs, err
}

// dueUnqueued selects jobs of the priority of p that are due and in no queue yet: a large
// backlog of one priority holds up no other.
const dueUnqueued = `
	SELECT id FROM outbox
	WHERE kind = 'image_job' AND NOT in_queue AND priority = p.priority AND available_at <= statement_timestamp()
	ORDER BY available_at`

// inQueue is true of the jobs that can be claimed.
const inQueue = ` kind = 'image_job' AND in_queue AND available_at <= statement_timestamp()
	AND (claimed_until IS NULL OR claimed_until < statement_timestamp()) `

// inFlight selects for each owner with jobs in flight how many there are, either of ready
// images or of the others: images with a worker whose lease lasts, and those whose job was
// taken from the outbox and does not wait there. It reads images and outbox only, so that
// nothing needs repair after a process was killed or the broker lost messages.
//
// The subqueries are not joins, because the plan of a join would depend on how many images
// the planner expects to be in flight.
const inFlight = `
	SELECT (SELECT user_id FROM products WHERE id = i.product_id) AS owner, count(*) AS jobs,
		count(*) FILTER (WHERE i.sent AND i.queued_at > statement_timestamp() - :sent_lately * interval '1 microsecond') AS lately
	FROM images AS i
	WHERE (i.status = 'processing' OR i.reprocessing IN ('focal', 'reprocess', 'pipeline', 'webp') OR i.sent AND i.status IN ('pending', 'ready'))
		AND (i.status = 'ready') = :reprocess AND (
		i.lease_until > statement_timestamp()
		OR i.sent AND i.queued_at > statement_timestamp() - :sent_for * interval '1 microsecond' AND 0 = (
			SELECT count(*) FROM outbox AS o WHERE o.subject = i.id AND o.kind = 'image_job'
				AND (o.claimed_until IS NULL OR o.claimed_until < statement_timestamp())))
	GROUP BY 1`

// firstOwner and nextOwner select the owner with a queue that has the lowest id, and the
// next one after w's.
const (
	firstOwner = `(SELECT owner FROM outbox WHERE priority = :priority AND ` + inQueue + ` ORDER BY owner LIMIT 1)`
	nextOwner  = `(SELECT owner FROM outbox WHERE priority = :priority AND owner > w.owner AND ` + inQueue + ` ORDER BY owner LIMIT 1)`
)

// claimQuery chooses jobs of one priority and takes them. It walks round the owners with a
// queue, starting after :after, skips those at their limit, and stops when it has seen
// enough of them. It takes jobs first from the owner with the fewest jobs in flight, and among
// equals in the order of the walk. permits is how many jobs may be sent now.
const claimQuery = `
	WITH RECURSIVE busy AS MATERIALIZED (` + inFlight + `
	), permits AS MATERIALIZED (
		SELECT cast(greatest(0, least(:batch, CASE WHEN :reprocess THEN :reprocess_limit - coalesce(sum(jobs), 0)
			ELSE :waiting - greatest(:depth, coalesce(sum(lately), 0)) END)) AS integer) AS jobs FROM busy
	), walk AS (
		SELECT owner, owner AS first, 1 AS seen
		FROM (SELECT coalesce(` + nextOwner + `, ` + firstOwner + `) AS owner
			FROM (VALUES (cast(:after AS bigint))) AS w (owner) OFFSET 0) AS begin
		WHERE owner IS NOT NULL AND (SELECT jobs FROM permits) > 0
		UNION ALL
		SELECT next.owner, w.first,
			w.seen + CASE WHEN EXISTS (SELECT 1 FROM busy WHERE busy.owner = next.owner AND jobs >= :per_owner) THEN 0 ELSE 1 END
		FROM walk AS w CROSS JOIN LATERAL (SELECT coalesce(` + nextOwner + `, ` + firstOwner + `) AS owner OFFSET 0) AS next
		WHERE next.owner <> w.first AND w.seen < (SELECT greatest(jobs, :weighed) FROM permits)
	), queues AS MATERIALIZED (
		SELECT walk.owner, walk.seen, coalesce(busy.jobs, 0) AS jobs
		FROM walk LEFT JOIN busy USING (owner)
		WHERE coalesce(busy.jobs, 0) < :per_owner
	), chosen AS MATERIALIZED (
		SELECT next.id, queues.owner, row_number() OVER (ORDER BY queues.jobs + next.place, queues.seen) AS turn
		FROM queues CROSS JOIN permits CROSS JOIN LATERAL (
			SELECT id, row_number() OVER (ORDER BY available_at, id) AS place
			FROM outbox WHERE priority = :priority AND owner = queues.owner AND ` + inQueue + `
			ORDER BY available_at, id
			LIMIT least(:per_owner - queues.jobs, permits.jobs, 2 * permits.jobs / (SELECT count(*) FROM queues) + 1)
		) AS next
		ORDER BY turn
		LIMIT (SELECT jobs FROM permits)
	), taken AS (
		UPDATE outbox SET claim = :claim, claimed_until = clock_timestamp() + :claim_time * interval '1 microsecond'
		WHERE id = ANY (ARRAY (SELECT id FROM chosen)) AND (claimed_until IS NULL OR claimed_until < statement_timestamp())
		RETURNING id, subject, payload, request_id, attempts, priority
	), marked AS (
		UPDATE images SET sent = true, queued_at = clock_timestamp()
		WHERE id = ANY (ARRAY (
			SELECT id FROM images WHERE id = ANY (ARRAY (SELECT subject FROM taken)) AND queued_at <= clock_timestamp()
				AND (lease_until < clock_timestamp() OR lease_holder IS NULL AND (status = 'pending' OR reprocess <> '{}'))
			FOR UPDATE SKIP LOCKED))
	)
	SELECT taken.id, taken.subject, taken.payload, taken.request_id, taken.attempts, taken.priority, chosen.owner
	FROM taken JOIN chosen USING (id) ORDER BY chosen.turn`

// claimedJob is a claimed job and its owner.
type claimedJob struct {
	Claimed
	Owner int64 `db:"owner"`
}

// jobClaim has the parameters of a claim of jobs.
type jobClaim struct {
	priority  Priority
	after     int64 // owner whose turn was the last
	depth     int   // messages that wait in the queue
	reprocess int   // reprocessing jobs that may be in flight
	limits    Limits
}

// claimJobs takes due jobs of one priority for claimTime, in the order in which they are
// to be sent, by turns of the owners. The relays claim one after the other, so that
// together they keep the limits.
//
// The images are marked before the messages are sent, since a worker may be quicker: a
// mark after its claim would say that the job is still on its way. An image that somebody
// has locked stays unmarked, and counts again once a worker has it.
func (s *Store) claimJobs(ctx context.Context, claim uuid.UUID, c jobClaim) (jobs []claimedJob, err error) {
	q, args, err := s.store.Pool.BindNamed(claimQuery, claimArgs(claim, c))
	if err != nil {
		return nil, err
	}
	err = s.store.InTx(ctx, "claim jobs", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := takeTurn(ctx, tx); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &jobs, q, args...)
	})
	return jobs, err
}

// takeTurn waits until no other relay is claiming jobs. Each schema has its own turns.
func takeTurn(ctx context.Context, tx *sqlx.Tx) error {
	const q = `
		SELECT set_config('idle_in_transaction_session_timeout', $1, true),
			pg_advisory_xact_lock(hashtextextended('vitrine job relay ' || current_schema(), 0))`
	_, err := tx.ExecContext(ctx, q, postgres.Millis(turnTime))
	return err
}

func claimArgs(claim uuid.UUID, c jobClaim) map[string]any {
	return map[string]any{
		"claim": claim, "after": c.after, "depth": c.depth, "batch": jobBatch, "weighed": ownersWeighed,
		"priority": c.priority, "reprocess": c.priority > PriorityFirst, "reprocess_limit": c.reprocess,
		"waiting": c.limits.Waiting, "per_owner": c.limits.PerOwner, "claim_time": claimTime.Microseconds(),
		"sent_for": sentFor.Microseconds(), "sent_lately": sentLately.Microseconds(),
	}
}
