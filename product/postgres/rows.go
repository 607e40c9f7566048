package postgres

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

// NewID returns a UUIDv7. The ids of one process increase.
func NewID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("new id: %w", err)
	}
	return id, nil
}

// EmptyToNull returns s as a column value, NULL if it is empty.
func EmptyToNull(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// NilToNull returns *s as a column value, NULL if s is nil.
func NilToNull(s *string) sql.NullString {
	if s == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *s, Valid: true}
}

// NullToNil returns the column's text, nil if it is NULL.
func NullToNil(s sql.NullString) *string {
	if !s.Valid {
		return nil
	}
	return &s.String
}

// RequireRow returns err, or none if the statement changed no row. It takes the results
// of ExecContext.
func RequireRow(result sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}

// A step of the reconciler changes at most PurgeBatch rows in one transaction, or
// ReconcileBatch rows if each of them costs more than a deletion.
const (
	PurgeBatch     = 5000
	ReconcileBatch = 500
)

// ScrapeTimeout bounds how long one collection of metrics may wait for PostgreSQL.
const ScrapeTimeout = 2 * time.Second

// BatchResult returns how many rows the statement of a reconciler step changed, and
// whether there may be more. It takes the results of ExecContext.
func BatchResult(result sql.Result, err error, batch int64) (rows int64, more bool, _ error) {
	if err != nil {
		return 0, false, err
	}
	rows, err = result.RowsAffected()
	return rows, rows == batch, err
}

// UUIDArray returns ids as an array parameter for PostgreSQL.
func UUIDArray(ids []uuid.UUID) any {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return pq.Array(texts)
}
