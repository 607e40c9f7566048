package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

const (
	// migrateIO bounds the wait for one response of the server. Building an index on
	// a large table takes longer than a request may.
	migrateIO   = 10 * time.Minute
	migrateLock = 10 * time.Second
)

// Migrate applies schema, an idempotent list of statements, to the database at dsn in one
// transaction. Any number of replicas may call it at once: the first applies the schema
// and the others find it applied. Migrate opens its own connection, without the short
// time limits of [Open], and ends with ctx. It returns [product.ErrUnavailable] if the
// database is unreachable.
func Migrate(ctx context.Context, dsn, schema string) error {
	connector, err := newConnector(dsn, map[string]string{
		"statement_timeout": "0",
		"lock_timeout":      Millis(migrateLock),
	}, migrateIO)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for {
		err := applySchema(ctx, db, schema)
		// Another replica is migrating, or requests hold locks on the tables. Both
		// end soon, so try again.
		if pq.As(err, pqerror.LockNotAvailable, pqerror.TRDeadlockDetected) == nil {
			return Translate(ctx, "migrate", err)
		}
		select {
		case <-ctx.Done():
			return Translate(ctx, "migrate", err)
		case <-time.After(rand.N(time.Second)):
		}
	}
}

// applySchema runs the schema unless it was the last one applied. Repeating it would be
// harmless, but its locks would block the replicas that serve requests.
func applySchema(ctx context.Context, db *sql.DB, schema string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit

	// One lock for the whole database, because extensions are shared by all schemas.
	const lock = `SELECT pg_advisory_xact_lock(hashtextextended('vitrine migrate', 0))`
	if _, err := tx.ExecContext(ctx, lock); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	const prepare = `
		CREATE TABLE IF NOT EXISTS schema_state (
			digest     text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`
	if _, err := tx.ExecContext(ctx, prepare); err != nil {
		return fmt.Errorf("schema_state: %w", err)
	}
	sum := sha256.Sum256([]byte(schema))
	digest := hex.EncodeToString(sum[:])
	var latest string
	const read = `SELECT digest FROM schema_state ORDER BY applied_at DESC LIMIT 1`
	if err := tx.QueryRowContext(ctx, read).Scan(&latest); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("schema_state: %w", err)
	}
	if latest == digest {
		return tx.Commit()
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	const write = `INSERT INTO schema_state (digest) VALUES ($1)`
	if _, err := tx.ExecContext(ctx, write, digest); err != nil {
		return fmt.Errorf("schema_state: %w", err)
	}
	return tx.Commit()
}
