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
	// DSN is a URL or a key=value string. Its settings (statement_timeout,
	// search_path, ...) override those of this package.
	DSN string
	// MaxOpen is the maximum number of connections; 0 means 20.
	MaxOpen int
}

// DB is the service's database. All methods are safe for concurrent use.
type DB struct {
	// Pool runs queries without admission, time limit or error translation. Use it
	// inside Read.
	Pool    *sqlx.DB
	limiter *limiter
	// down reports whether the last operation found PostgreSQL unreachable or too slow.
	down atomic.Bool
	// installation is the id of the database, nil until it has been read.
	installation atomic.Pointer[string]
}

// Open returns a database. It connects on first use.
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
	db.SetMaxIdleConns(cfg.MaxOpen) // with the default of 2, connections are reopened all the time under load
	db.SetConnMaxLifetime(30 * time.Minute)
	return &DB{Pool: db, limiter: newLimiter(cfg.MaxOpen)}, nil
}

// Close closes all connections. It may be called twice.
func (s *DB) Close() error { return s.Pool.Close() }

// Check returns an error unless PostgreSQL answers a query.
func (s *DB) Check(ctx context.Context) error {
	return s.Read(ctx, "check", func(ctx context.Context) error {
		var one int
		return s.Pool.GetContext(ctx, &one, "SELECT 1")
	})
}

// Stats returns the statistics of the connection pool.
func (s *DB) Stats() sql.DBStats { return s.Pool.Stats() }

// Read runs f, a single query, within OperationTimeout and translates its error. The
// driver may repeat the query on another connection, so it must not write. doing names
// the operation in errors.
func (s *DB) Read(ctx context.Context, doing string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, OperationTimeout)
	defer cancel()
	release, err := s.limiter.acquire(ctx)
	if err != nil {
		return s.note(Translate(ctx, doing, err))
	}
	defer release()
	return s.note(Translate(ctx, doing, f(ctx)))
}

// Get reads one row into dest, or returns [product.ErrNotFound].
func (s *DB) Get(ctx context.Context, doing string, dest any, q string, args ...any) error {
	return s.Read(ctx, doing, func(ctx context.Context) error { return s.Pool.GetContext(ctx, dest, q, args...) })
}

// Select reads all rows into dest, a pointer to a slice.
func (s *DB) Select(ctx context.Context, doing string, dest any, q string, args ...any) error {
	return s.Read(ctx, doing, func(ctx context.Context) error { return s.Pool.SelectContext(ctx, dest, q, args...) })
}

// SelectNamed is Select for a query with named parameters.
func (s *DB) SelectNamed(ctx context.Context, doing string, dest any, q string, args map[string]any) error {
	query, values, err := s.Pool.BindNamed(q, args)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return s.Select(ctx, doing, dest, query, values...)
}

// Reachable reports whether the last operation reached PostgreSQL within its time limit.
func (s *DB) Reachable() bool { return !s.down.Load() }

// note records whether an operation reached PostgreSQL, and returns err. A cancelled or
// refused call leaves the record unchanged.
func (s *DB) note(err error) error {
	switch {
	case errors.Is(err, product.ErrUnavailable):
		s.down.Store(true)
	case !errors.Is(err, context.Canceled) && !errors.Is(err, product.ErrOverloaded):
		s.down.Store(false)
	}
	return err
}

// InTx runs f in a transaction that ends within OperationTimeout, and commits it if f
// returns nil. Driver errors are translated, see [Translate]; other errors of f keep
// their identity. doing names the operation in errors.
func (s *DB) InTx(ctx context.Context, doing string, f func(context.Context, *sqlx.Tx) error) error {
	return s.transact(ctx, OperationTimeout, nil, doing, f)
}

// InTxWithin is InTx with another time limit.
func (s *DB) InTxWithin(ctx context.Context, limit time.Duration, doing string, f func(context.Context, *sqlx.Tx) error) error {
	return s.transact(ctx, limit, nil, doing, f)
}

// InSnapshot is InTx for several reads of one consistent state. f must not write.
func (s *DB) InSnapshot(ctx context.Context, doing string, f func(context.Context, *sqlx.Tx) error) error {
	opts := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	return s.transact(ctx, OperationTimeout, opts, doing, f)
}

func (s *DB) transact(
	ctx context.Context, limit time.Duration, opts *sql.TxOptions, doing string, f func(context.Context, *sqlx.Tx) error,
) (err error) {
	defer func() { _ = s.note(err) }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	release, err := s.limiter.acquire(ctx)
	if err != nil {
		return Translate(ctx, doing, err)
	}
	defer release()
	tx, err := s.Pool.BeginTxx(ctx, opts)
	if err != nil {
		return Translate(ctx, doing, err)
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	if err := f(ctx, tx); err != nil {
		return Translate(ctx, doing, err)
	}
	if err := tx.Commit(); err != nil {
		return Translate(ctx, doing, fmt.Errorf("commit: %w", err))
	}
	return nil
}

// InstallationID returns the id of this database, which distinguishes installations that
// share a cache. It is read once.
func (s *DB) InstallationID(ctx context.Context) (string, error) {
	if id := s.installation.Load(); id != nil {
		return *id, nil
	}
	var id string
	if err := s.Get(ctx, "read installation", &id, `SELECT id FROM installation`); err != nil {
		return "", err
	}
	s.installation.Store(&id)
	return id, nil
}
