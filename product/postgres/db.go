package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
)

// Config says where PostgreSQL is.
type Config struct {
	// DSN is a URL or a key=value string. What it sets (statement_timeout,
	// search_path, ...) wins over the store's own settings.
	DSN string
	// MaxOpen bounds the connections; 0 means 20.
	MaxOpen int
}

// Store is the catalogue's tables in PostgreSQL. All methods are safe for
// concurrent use.
type DB struct {
	Db   *sqlx.DB
	gate *gate
	// down says that the last operation found PostgreSQL out of reach or too slow.
	down atomic.Bool
	// installation is the id of the database, once it is known.
	installation atomic.Pointer[string]
}

// Open makes a store. It does not connect: that happens at the first use.
func Open(cfg Config) (*DB, error) {
	connector, err := newConnector(cfg.DSN, sessionSettings, ioTimeout)
	if err != nil {
		return nil, err
	}
	if cfg.MaxOpen <= 0 {
		cfg.MaxOpen = 20
	}
	db := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	db.SetMaxOpenConns(cfg.MaxOpen)
	db.SetMaxIdleConns(cfg.MaxOpen) // the default of 2 opens and closes under load
	db.SetConnMaxLifetime(30 * time.Minute)
	return &DB{Db: db, gate: newGate(cfg.MaxOpen)}, nil
}

// Close ends all connections. It may be called twice.
func (s *DB) Close() error { return s.Db.Close() }

// Check says whether PostgreSQL answers.
func (s *DB) Check(ctx context.Context) error {
	return s.Read(ctx, "check", func(ctx context.Context) error {
		var one int
		return s.Db.GetContext(ctx, &one, "SELECT 1")
	})
}

// Stats are those of the connection pool.
func (s *DB) Stats() sql.DBStats { return s.Db.Stats() }

// read runs f, a single query, within operationTimeout. The driver may repeat it
// on another connection, so it must not write.
func (s *DB) Read(ctx context.Context, doing string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, OperationTimeout)
	defer cancel()
	leave, err := s.gate.enter(ctx)
	if err != nil {
		return s.note(Translate(ctx, doing, err))
	}
	defer leave()
	return s.note(Translate(ctx, doing, f(ctx)))
}

// get reads one row into dest, or returns [product.ErrNotFound].
func (s *DB) Get(ctx context.Context, doing string, dest any, q string, args ...any) error {
	return s.Read(ctx, doing, func(ctx context.Context) error { return s.Db.GetContext(ctx, dest, q, args...) })
}

// selectRows reads all rows into dest, a pointer to a slice.
func (s *DB) SelectRows(ctx context.Context, doing string, dest any, q string, args ...any) error {
	return s.Read(ctx, doing, func(ctx context.Context) error { return s.Db.SelectContext(ctx, dest, q, args...) })
}

// selectNamed is selectRows for a query with named parameters.
func (s *DB) SelectNamed(ctx context.Context, doing string, dest any, q string, args map[string]any) error {
	query, values, err := s.Db.BindNamed(q, args)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return s.SelectRows(ctx, doing, dest, query, values...)
}

// Reachable reports whether the last operation found PostgreSQL in reach and quick enough.
func (s *DB) Reachable() bool { return !s.down.Load() }

// note keeps what an operation's error says of PostgreSQL, and hands it on. The end
// of a caller says nothing, nor does a crowd.
func (s *DB) note(err error) error {
	switch {
	case errors.Is(err, product.ErrUnavailable):
		s.down.Store(true)
	case !errors.Is(err, context.Canceled) && !errors.Is(err, product.ErrOverloaded):
		s.down.Store(false)
	}
	return err
}

// inTx runs f in one transaction that ends within operationTimeout, and commits
// it if f gives no error. Errors are translated; those of f are handed on.
func (s *DB) InTx(ctx context.Context, doing string, f func(context.Context, *sqlx.Tx) error) error {
	return s.InTxFor(ctx, OperationTimeout, nil, doing, f)
}

// inSnapshot is inTx for several reads that have to fit together.
func (s *DB) InSnapshot(ctx context.Context, doing string, f func(context.Context, *sqlx.Tx) error) error {
	opts := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	return s.InTxFor(ctx, OperationTimeout, opts, doing, f)
}

func (s *DB) InTxFor(
	ctx context.Context, limit time.Duration, opts *sql.TxOptions, doing string, f func(context.Context, *sqlx.Tx) error,
) (err error) {
	defer func() { _ = s.note(err) }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	leave, err := s.gate.enter(ctx)
	if err != nil {
		return Translate(ctx, doing, err)
	}
	defer leave()
	tx, err := s.Db.BeginTxx(ctx, opts)
	if err != nil {
		return Translate(ctx, doing, err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := f(ctx, tx); err != nil {
		return Translate(ctx, doing, err)
	}
	if err := tx.Commit(); err != nil {
		return Translate(ctx, doing, fmt.Errorf("commit: %w", err))
	}
	return nil
}
