package event

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/postgres"
)

const (
	// eventRetention and maxEvents bound the log.
	eventRetention = 24 * time.Hour
	maxEvents      = 5_000_000

	numberBatch = 500
	tailBatch   = 256
	// A page of a replay is the events that match among replayWindow positions,
	// replayBatch at most, so that a filter that few events pass costs no more
	// than one that all pass.
	replayWindow = 10_000
	replayBatch  = 256
)

// EventChannel is where new events are announced.
const Channel = "vitrine_events"

// eventColumns are those that event_inbox and events share.
const Columns = `type, product_id, user_id, version, image_id, image_status, occurred_at`

// EventLog is the log of committed changes of products, and those in this process who wait for its events.
// All methods are safe for concurrent use.
type Log struct {
	store   *postgres.DB
	changed chan struct{} // says that there are changes to be put into the log
	Hub     *hub
}

// NewEventLog returns the event log in a database.
func NewLog(store *postgres.DB) *Log {
	return &Log{store: store, changed: make(chan struct{}, 1), Hub: newHub()}
}

// committed tells the sequencer of this process that a change was committed.
func (s *Log) Committed() { postgres.Signal(s.changed) }

// numberEvents moves changes from the inbox into the log, up to numberBatch, and
// gives how many.
//
// The log cannot take them in the order of their ids: those of transactions that
// are still running are missing, and a reader that had gone past them would never
// see them. So a position is given out only once its change is committed, by one
// replica at a time, which holds the row of event_log until its own commit. Whoever
// sees a position then sees all before it, however long other transactions take.
//
// Both statements go out together: the first one's lock is held before the second
// one's snapshot is taken, and its end does not depend on this process.
func (s *Log) numberEvents(ctx context.Context) (n int, err error) {
	const q = `
		SELECT last FROM event_log FOR UPDATE;
		WITH moved AS (
			DELETE FROM event_inbox WHERE id IN (SELECT id FROM event_inbox ORDER BY id LIMIT %d)
			RETURNING id, ` + Columns + `
		), logged AS (
			INSERT INTO events (position, ` + Columns + `)
			SELECT (SELECT last FROM event_log) + row_number() OVER (ORDER BY id), ` + Columns + ` FROM moved
			RETURNING position
		), counted AS (
			UPDATE event_log SET last = (SELECT max(position) FROM logged) WHERE EXISTS (SELECT 1 FROM logged)
		)
		SELECT count(*), pg_notify('` + Channel + `', '') FROM logged HAVING count(*) > 0`
	// A driver that repeats it on another connection moves what is left.
	err = s.store.Read(ctx, "number events", func(ctx context.Context) error {
		rows, err := s.store.Pool.QueryContext(ctx, fmt.Sprintf(q, numberBatch))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() { // the lock's answer says nothing
		}
		var notified string
		if rows.NextResultSet() && rows.Next() {
			if err := rows.Scan(&n, &notified); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return n, err
}

// hasUnnumbered says whether numberEvents has anything to do.
func (s *Log) hasUnnumbered(ctx context.Context) (has bool, err error) {
	const q = `SELECT EXISTS (SELECT 1 FROM event_inbox)`
	err = s.store.Get(ctx, "look at event inbox", &has, q)
	return has, err
}

// lastEvent gives the last position.
func (s *Log) lastEvent(ctx context.Context) (last int64, err error) {
	const q = `SELECT last FROM event_log`
	err = s.store.Get(ctx, "last event", &last, q)
	return last, err
}

// tail gives the next tailBatch events after a position, those of all users: they
// are handed out by scope.
func (s *Log) tail(ctx context.Context, after int64) ([]*Event, error) {
	const q = `SELECT position, ` + Columns + ` FROM events WHERE position > $1 ORDER BY position LIMIT $2`
	var rows []eventRow
	err := s.store.Select(ctx, "tail events", &rows, q, after, tailBatch)
	if err != nil {
		return nil, err
	}
	return events(rows)
}

// Events gives the next page of the log after a position.
func (s *Log) Events(ctx context.Context, scope product.Scope, f Filter, after int64) (Page, error) {
	var rows []eventRow
	var log struct {
		Last   int64 `db:"last"`
		Pruned int64 `db:"pruned"`
	}
	err := s.store.InSnapshot(ctx, "events", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := tx.GetContext(ctx, &log, `SELECT last, pruned FROM event_log`); err != nil {
			return fmt.Errorf("event log: %w", err)
		}
		const q = `
			SELECT position, ` + Columns + ` FROM events
			WHERE position > $1 AND position <= $2
				AND (cast($3 AS bigint) IS NULL OR user_id = cast($3 AS bigint))
				AND (cast($4 AS bigint) IS NULL OR user_id = cast($4 AS bigint))
				AND (cast($5 AS bigint) IS NULL OR product_id = cast($5 AS bigint))
			ORDER BY position
			LIMIT $6`
		return tx.SelectContext(ctx, &rows, q, after, after+replayWindow, scope.Owner(), f.UserID, f.ProductID, replayBatch)
	})
	if err != nil {
		return Page{}, err
	}
	page := Page{
		Position: min(after+replayWindow, log.Last), Last: log.Last, Lost: after < log.Pruned || after > log.Last,
	}
	if len(rows) == replayBatch {
		page.Position = rows[replayBatch-1].Position
	}
	page.Events, err = events(rows)
	return page, err
}

// PurgeEvents removes the oldest events when they are too old or too many.
func Purge(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const old = `(occurred_at < now() - $1 * interval '1 microsecond' OR position <= (SELECT last FROM event_log) - $2)`
	// Mostly there is nothing to do, which the first row says.
	const look = `SELECT count(*) FROM (SELECT position, occurred_at FROM events ORDER BY position LIMIT 1) AS oldest WHERE ` + old
	var n int64
	if err = tx.GetContext(ctx, &n, look, eventRetention.Microseconds(), maxEvents); err != nil || n == 0 {
		return 0, false, err
	}
	const q = `
		WITH gone AS (
			DELETE FROM events WHERE position IN (
				SELECT position FROM (SELECT position, occurred_at FROM events ORDER BY position LIMIT $3) AS oldest WHERE ` + old + `
			)
			RETURNING position
		), noted AS (
			UPDATE event_log SET pruned = greatest(pruned, (SELECT max(position) FROM gone))
		)
		SELECT count(*) FROM gone`
	err = tx.GetContext(ctx, &n, q, eventRetention.Microseconds(), maxEvents, postgres.PurgeBatch)
	return n, n == postgres.PurgeBatch, err
}
