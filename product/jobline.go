package product

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

const (
	// lineUpBatch is how many jobs join their owners' lines together at most.
	lineUpBatch = 1000
	// sentFor is how long a message counts as in flight. After that it must be
	// gone, whether or not the reconciler has seen that.
	sentFor = 5 * time.Minute
	// sentLately is how long the broker's count of what waits may not show yet
	// what was taken from the outbox to be sent.
	sentLately = 5 * time.Second
	// ownersWeighed is how many owners a claim compares at least, to give the
	// turn to the one with the fewest jobs in flight.
	ownersWeighed = 32
	// turnHolder is how long a frozen process can keep the others from claiming:
	// less than they wait for a lock.
	turnHolder = lockTimeout / 2
)

// lineUp puts image jobs whose time has come into their owners' lines, those of
// which nobody has noted the owner included, and says whether any job in line can
// be claimed. So the lines have no job whose time is to come: they can be walked
// without passing over those.
func (s *Store) lineUp(ctx context.Context) (due bool, err error) {
	const look = `
		SELECT coalesce((SELECT true FROM outbox WHERE ` + inLine + ` ORDER BY owner LIMIT 1), false) AS due,
			coalesce((SELECT true FROM outbox
				WHERE kind = 'image_job' AND NOT in_line AND available_at <= statement_timestamp()
				ORDER BY available_at LIMIT 1), false) AS to_line_up`
	var found struct {
		Due      bool `db:"due"`
		ToLineUp bool `db:"to_line_up"`
	}
	err = s.read(ctx, "look at outbox", func(ctx context.Context) error {
		return s.db.GetContext(ctx, &found, look)
	})
	if err != nil || !found.ToLineUp {
		return found.Due, err
	}
	const q = `
		UPDATE outbox SET in_line = true, owner = coalesce(
			(SELECT products.user_id FROM images JOIN products ON products.id = images.product_id WHERE images.id = outbox.subject),
			0)
		WHERE id = ANY (ARRAY (
			SELECT id FROM outbox
			WHERE kind = 'image_job' AND NOT in_line AND available_at <= statement_timestamp()
			ORDER BY available_at
			LIMIT $1
			FOR UPDATE SKIP LOCKED))`
	return true, s.inTx(ctx, "line up jobs", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, lineUpBatch)
		return err
	})
}

// inLine is true of the jobs that can be claimed.
const inLine = ` kind = 'image_job' AND in_line AND available_at <= statement_timestamp()
	AND (claimed_until IS NULL OR claimed_until < statement_timestamp()) `

// inFlight gives for each owner that has jobs in flight how many: images with a
// worker whose lease lasts, and those whose job was taken from the outbox and does
// not wait there. It is told from the images and the outbox alone, so that nothing
// has to be put right after a process was killed or the broker has lost messages.
//
// The subqueries are not joins, lest their plan depend on how many images the
// planner believes are in flight.
const inFlight = `
	SELECT (SELECT user_id FROM products WHERE id = i.product_id) AS owner, count(*) AS jobs,
		count(*) FILTER (WHERE i.sent AND i.queued_at > statement_timestamp() - :sent_lately * interval '1 microsecond') AS lately
	FROM images AS i
	WHERE (i.status = 'processing' OR i.status = 'pending' AND i.sent) AND (
		i.status = 'processing' AND i.lease_until > statement_timestamp()
		OR i.sent AND i.queued_at > statement_timestamp() - :sent_for * interval '1 microsecond' AND 0 = (
			SELECT count(*) FROM outbox AS o WHERE o.subject = i.id AND o.kind = 'image_job'
				AND (o.claimed_until IS NULL OR o.claimed_until < statement_timestamp())))
	GROUP BY 1`

// firstInLine and nextInLine give the owner, by id, whose line is the first of
// all, and the first after w's.
const (
	firstInLine = `(SELECT owner FROM outbox WHERE ` + inLine + ` ORDER BY owner LIMIT 1)`
	nextInLine  = `(SELECT owner FROM outbox WHERE owner > w.owner AND ` + inLine + ` ORDER BY owner LIMIT 1)`
)

// claimQuery chooses jobs and takes them. It walks round the owners who have a
// line, from the one after :after, past those who have all that they may have, as
// far as it has to. Of their lines it takes first what gives an owner the fewest
// jobs in flight, then what comes first on the way round.
const claimQuery = `
	WITH RECURSIVE busy AS MATERIALIZED (` + inFlight + `
	), room AS MATERIALIZED (
		SELECT cast(greatest(0, least(:batch, :waiting - greatest(:depth, coalesce(sum(lately), 0)))) AS integer) AS jobs FROM busy
	), walk AS (
		SELECT owner, owner AS first, 1 AS seen
		FROM (SELECT coalesce(` + nextInLine + `, ` + firstInLine + `) AS owner
			FROM (VALUES (cast(:after AS bigint))) AS w (owner) OFFSET 0) AS begin
		WHERE owner IS NOT NULL AND (SELECT jobs FROM room) > 0
		UNION ALL
		SELECT next.owner, w.first,
			w.seen + CASE WHEN EXISTS (SELECT 1 FROM busy WHERE busy.owner = next.owner AND jobs >= :per_owner) THEN 0 ELSE 1 END
		FROM walk AS w CROSS JOIN LATERAL (SELECT coalesce(` + nextInLine + `, ` + firstInLine + `) AS owner OFFSET 0) AS next
		WHERE next.owner <> w.first AND w.seen < (SELECT greatest(jobs, :weighed) FROM room)
	), lines AS MATERIALIZED (
		SELECT walk.owner, walk.seen, coalesce(busy.jobs, 0) AS jobs
		FROM walk LEFT JOIN busy USING (owner)
		WHERE coalesce(busy.jobs, 0) < :per_owner
	), chosen AS MATERIALIZED (
		SELECT next.id, lines.owner, row_number() OVER (ORDER BY lines.jobs + next.place, lines.seen) AS turn
		FROM lines CROSS JOIN room CROSS JOIN LATERAL (
			SELECT id, row_number() OVER (ORDER BY available_at, id) AS place
			FROM outbox WHERE owner = lines.owner AND ` + inLine + `
			ORDER BY available_at, id
			LIMIT least(:per_owner - lines.jobs, room.jobs, 2 * room.jobs / (SELECT count(*) FROM lines) + 1)
		) AS next
		ORDER BY turn
		LIMIT (SELECT jobs FROM room)
	), taken AS (
		UPDATE outbox SET claim = :claim, claimed_until = clock_timestamp() + :claim_time * interval '1 microsecond'
		WHERE id = ANY (ARRAY (SELECT id FROM chosen)) AND (claimed_until IS NULL OR claimed_until < statement_timestamp())
		RETURNING id, subject, payload, request_id, attempts
	), marked AS (
		UPDATE images SET sent = true, queued_at = clock_timestamp()
		WHERE id = ANY (ARRAY (
			SELECT id FROM images WHERE id = ANY (ARRAY (SELECT subject FROM taken)) AND queued_at <= clock_timestamp()
				AND (status = 'pending' OR status = 'processing' AND lease_until < clock_timestamp())
			FOR UPDATE SKIP LOCKED))
	)
	SELECT taken.id, taken.subject, taken.payload, taken.request_id, taken.attempts, chosen.owner
	FROM taken JOIN chosen USING (id) ORDER BY chosen.turn`

// claimedJob is a job that was claimed.
type claimedJob struct {
	Row
	Owner int64 `db:"owner"`
}

// claimJobs takes due jobs for claimTime, in the order in which they are to be
// sent, by turns of the owners that come after one. The relays claim one after the
// other, so that together they keep the limits; depth is what the queue has.
//
// The images are marked before the messages go and not after, since a worker may
// be quicker: what is marked late would say that the job is still on its way. One
// that somebody has locked stays unmarked, and counts again once a worker has it.
func (s *Store) claimJobs(ctx context.Context, claim uuid.UUID, after int64, depth int, limits JobLimits) (jobs []claimedJob, err error) {
	q, args, err := s.db.BindNamed(claimQuery, claimArgs(claim, after, depth, limits))
	if err != nil {
		return nil, err
	}
	err = s.inTx(ctx, "claim jobs", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := takeTurn(ctx, tx); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &jobs, q, args...)
	})
	return jobs, err
}

// takeTurn waits until no other relay is claiming jobs. Each schema has its own
// turns.
func takeTurn(ctx context.Context, tx *sqlx.Tx) error {
	const q = `
		SELECT set_config('idle_in_transaction_session_timeout', $1, true),
			pg_advisory_xact_lock(hashtextextended('vitrine job relay ' || current_schema(), 0))`
	_, err := tx.ExecContext(ctx, q, millis(turnHolder))
	return err
}

func claimArgs(claim uuid.UUID, after int64, depth int, limits JobLimits) map[string]any {
	return map[string]any{
		"claim": claim, "after": after, "depth": depth, "batch": jobBatch, "weighed": ownersWeighed,
		"waiting": limits.Waiting, "per_owner": limits.PerOwner, "claim_time": claimTime.Microseconds(),
		"sent_for": sentFor.Microseconds(), "sent_lately": sentLately.Microseconds(),
	}
}
