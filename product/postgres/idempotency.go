package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
)

// Idempotency identifies a request that its client may repeat without a second effect.
// The zero value identifies no request.
//
// The key is stored for 24 hours, in the same transaction as the effect. A client that
// does not know whether a commit succeeded repeats the request: it receives the first
// answer, or the request takes effect now, once.
type Idempotency struct {
	Owner   string            // namespace of the key: owners do not share keys
	Key     string            // chosen by the client: 1 to 255 visible ASCII characters
	Request [sha256.Size]byte // digest of the whole request
}

// Begin returns the answer to the first request with the key, or nil if tx is the first;
// tx then makes the change and ends with Keep. Errors: [product.ErrKeyReused] and
// [product.ErrKeyInProgress].
//
// Until tx ends, other requests with the key are refused. They do not wait, because
// each would occupy a connection.
func (i Idempotency) Begin(ctx context.Context, tx *sqlx.Tx) ([]byte, error) {
	if i.Key == "" {
		return nil, nil
	}
	const lock = `SELECT pg_try_advisory_xact_lock(hashtextextended(
		concat_ws(E'\n', 'vitrine idempotency', current_schema(), cast($1 AS text), cast($2 AS text)), 0))`
	var alone bool
	if err := tx.GetContext(ctx, &alone, lock, i.Owner, i.Key); err != nil {
		return nil, fmt.Errorf("lock idempotency key: %w", err)
	}
	// A separate statement after the lock sees what the previous holder of the lock
	// committed. It also runs without the lock, because the holder may be another
	// repetition of an answered request.
	answer, err := i.first(ctx, tx)
	if err == nil && answer == nil && !alone {
		return nil, product.ErrKeyInProgress
	}
	return answer, err
}

// first returns the committed answer to the first request with the key, or nil.
func (i Idempotency) first(ctx context.Context, db sqlx.QueryerContext) ([]byte, error) {
	const q = `SELECT request_hash, answer FROM idempotency_keys WHERE owner = $1 AND key = $2 AND expires_at > now()`
	var first struct {
		Request []byte `db:"request_hash"`
		Answer  []byte `db:"answer"`
	}
	err := sqlx.GetContext(ctx, db, &first, q, i.Owner, i.Key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up idempotency key: %w", err)
	case !bytes.Equal(first.Request, i.Request[:]):
		return nil, product.ErrKeyReused
	}
	return first.Answer, nil
}

// Keep stores the answer, JSON that Begin later returns byte for byte. An existing row
// that Begin did not find has expired and is replaced.
func (i Idempotency) Keep(ctx context.Context, tx *sqlx.Tx, answer []byte) error {
	if i.Key == "" {
		return nil
	}
	const q = `
		INSERT INTO idempotency_keys (owner, key, request_hash, answer) VALUES ($1, $2, $3, $4)
		ON CONFLICT (owner, key) DO UPDATE SET request_hash = excluded.request_hash, answer = excluded.answer,
			created_at = excluded.created_at, expires_at = excluded.expires_at`
	if _, err := tx.ExecContext(ctx, q, i.Owner, i.Key, i.Request[:], string(answer)); err != nil {
		return fmt.Errorf("insert idempotency key: %w", err)
	}
	return nil
}

// FirstAnswer returns the committed answer to the first request with the key, or nil.
func (s *DB) FirstAnswer(ctx context.Context, once Idempotency) (answer []byte, err error) {
	if once.Key == "" {
		return nil, nil
	}
	err = s.Read(ctx, "look up idempotency key", func(ctx context.Context) error {
		answer, err = once.first(ctx, s.Pool)
		return err
	})
	return answer, err
}

// PurgeIdempotencyKeys deletes expired keys with their answers. It is a step of the
// reconciler.
func PurgeIdempotencyKeys(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const q = `
		DELETE FROM idempotency_keys WHERE (owner, key) IN (
			SELECT owner, key FROM idempotency_keys WHERE expires_at < now() ORDER BY expires_at LIMIT $1
			FOR UPDATE SKIP LOCKED
		)`
	result, err := tx.ExecContext(ctx, q, PurgeBatch)
	return BatchResult(result, err, PurgeBatch)
}
