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
	// eventRetention and maxEvents bound the age and the size of the log.
	eventRetention = 24 * time.Hour
	maxEvents      = 5_000_000

	numberBatch = 500
	tailBatch   = 256
	// A page has the matching events among the next pageWindow positions, at most
	// pageSize. A filter that matches few events thus costs no more per page than one
	// that matches all.
	pageWindow = 10_000
	pageSize   = 256
)

// Channel is the PostgreSQL notification channel on which new events are announced.
const Channel = "vitrine_events"

// Columns are the columns that the tables event_inbox and events share. A package that
// changes products inserts them into event_inbox in the same transaction.
const Columns = `type, product_id, user_id, version, image_id, image_status, occurred_at`

// Log is the log of committed changes of products, with this process's subscribers and
// watchers. All methods are safe for concurrent use.
type Log struct {
	store   *postgres.DB
	changed chan struct{} // signals new rows in the inbox to the sequencer
	hub     *hub
}

// NewLog returns the event log in a database.
func NewLog(store *postgres.DB) *Log {
	return &Log{store: store, changed: make(chan struct{}, 1), hub: newHub()}
}

// NotifyCommit tells the sequencer of this process that a change has been committed. The
// sequencer finds changes without it too, but later.
func (s *Log) NotifyCommit() { postgres.Signal(s.changed) }

// Watch returns a channel that receives a signal whenever the product may have changed,
// until stop is called. It needs a running [Tailer].
func (s *Log) Watch(product int64) (changed <-chan struct{}, stop func()) {
	return s.hub.watch(product)
}

// numberEvents moves up to numberBatch changes from the inbox to the log and returns
// their number.
//
// The ids of the inbox cannot serve as positions. A transaction may commit after another
// one with a greater id, and a reader that has passed the greater id would never see its
// change. A change therefore receives its position after its commit, from one replica at
// a time, which locks the row of event_log until its own commit. A reader that sees a
// position can thus see every position before it.
//
// Both statements are sent together. The lock of the first is held before the snapshot
// of the second is taken, and is released even if this process stops responding.
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
	// If the driver repeats the query on another connection, it moves the remaining rows.
	err = s.store.Read(ctx, "number events", func(ctx context.Context) error {
		rows, err := s.store.Pool.QueryContext(ctx, fmt.Sprintf(q, numberBatch))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() { // discard the row of the lock
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

// hasUnnumbered reports whether the inbox has rows.
func (s *Log) hasUnnumbered(ctx context.Context) (has bool, err error) {
	const q = `SELECT EXISTS (SELECT 1 FROM event_inbox)`
	err = s.store.Get(ctx, "look at event inbox", &has, q)
	return has, err
}

// lastEvent returns the last position of the log.
func (s *Log) lastEvent(ctx context.Context) (last int64, err error) {
	const q = `SELECT last FROM event_log`
	err = s.store.Get(ctx, "last event", &last, q)
	return last, err
}

// tail returns the next tailBatch events after a position, of all users: the hub checks
// the scope of each subscription.
func (s *Log) tail(ctx context.Context, after int64) ([]*Event, error) {
	const q = `SELECT position, ` + Columns + ` FROM events WHERE position > $1 ORDER BY position LIMIT $2`
	var rows []eventRow
	err := s.store.Select(ctx, "tail events", &rows, q, after, tailBatch)
	if err != nil {
		return nil, err
	}
	return events(rows)
}

// Events returns the next page of the log after a position.
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
		return tx.SelectContext(ctx, &rows, q, after, after+pageWindow, scope.Owner(), f.UserID, f.ProductID, pageSize)
	})
	if err != nil {
		return Page{}, err
	}
	page := Page{
		Position: min(after+pageWindow, log.Last), Last: log.Last, Lost: after < log.Pruned || after > log.Last,
	}
	if len(rows) == pageSize {
		page.Position = rows[pageSize-1].Position
	}
	page.Events, err = events(rows)
	return page, err
}

// Purge deletes the oldest events if they are too old or too many. It is a step of the
// reconciler.
func Purge(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const old = `(occurred_at < now() - $1 * interval '1 microsecond' OR position <= (SELECT last FROM event_log) - $2)`
	// Usually nothing is due, and the oldest row shows it.
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
