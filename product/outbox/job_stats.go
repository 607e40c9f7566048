package outbox

import (
	"context"
	"fmt"
)

// maxOwnersCounted bounds the time of a count.
const maxOwnersCounted = 10000

// JobStat describes the image jobs in progress.
type JobStat struct {
	OwnersWaiting int64 `db:"owners_waiting"` // owners of images that wait for their first processing; at most 10,000 are counted
	InFlight      int64 `db:"in_flight"`      // jobs of first processing that were sent and have not ended
	InFlightMost  int64 `db:"in_flight_most"` // of the owner who has the most of them
	Reprocess     int64 `db:"reprocess"`      // ready images to be reprocessed; at most 10,000 are counted
}

// JobStats returns the current state of the image jobs, for metrics.
func (s *Store) JobStats(ctx context.Context) (stat JobStat, err error) {
	const query = `
		WITH RECURSIVE busy AS MATERIALIZED (` + inFlight + `
		), w AS (
			SELECT ` + firstOwner + ` AS owner
			UNION ALL
			SELECT ` + nextOwner + ` FROM w WHERE owner IS NOT NULL
		)
		SELECT (SELECT count(owner) FROM (SELECT owner FROM w LIMIT :owners) AS waiting) AS owners_waiting,
			coalesce(sum(jobs), 0) AS in_flight, coalesce(max(jobs), 0) AS in_flight_most,
			(SELECT count(*) FROM (SELECT FROM images WHERE (status = 'pending' OR reprocess <> '{}') AND status = 'ready' LIMIT :owners) AS due) +
			(SELECT count(*) FROM images WHERE lease_holder IS NOT NULL AND status = 'ready' AND reprocess = '{}') AS reprocess
		FROM busy`
	q, args, err := s.store.Pool.BindNamed(query, map[string]any{
		"owners": maxOwnersCounted, "priority": PriorityFirst, "reprocess": false, "sent_for": sentFor.Microseconds(), "sent_lately": sentLately.Microseconds(),
	})
	if err != nil {
		return JobStat{}, fmt.Errorf("job stats: %w", err)
	}
	err = s.store.Get(ctx, "job stats", &stat, q, args...)
	return stat, err
}
