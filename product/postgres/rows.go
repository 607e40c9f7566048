package postgres

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

// newID gives a UUIDv7: later ones of this process are greater.
func NewID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("new id: %w", err)
	}
	return id, nil
}

func Null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// optional is a column that may be null.
func Optional(s *string) sql.NullString {
	if s == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *s, Valid: true}
}

// orNil gives what JSON shows of a column that may be null.
func OrNil(s sql.NullString) *string {
	if !s.Valid {
		return nil
	}
	return &s.String
}

// oneRow returns none if a statement changed nothing.
func OneRow(result sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}

// Steps of the reconciler change at most purgeBatch rows in one transaction, or reconcileBatch if
// each of them costs more.
const (
	PurgeBatch     = 5000 // a thousand a second, which is more than are made
	ReconcileBatch = 500
)

// depthTimeout bounds how long the broker may take to count what waits in the queue.
const DepthTimeout = 3 * time.Second

// scrapeTime bounds what one collection of metrics may wait for PostgreSQL.
const ScrapeTime = 2 * time.Second

// counted returns how many rows a step's statement has changed, and whether there may be more.
func Counted(result sql.Result, err error, batch int64) (rows int64, more bool, _ error) {
	if err != nil {
		return 0, false, err
	}
	rows, err = result.RowsAffected()
	return rows, rows == batch, err
}

// uuidArray returns ids as an array for PostgreSQL.
func UUIDArray(ids []uuid.UUID) any {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return pq.Array(texts)
}
