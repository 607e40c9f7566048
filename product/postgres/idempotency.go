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

// Idempotency names a request that its client may send again, for want of an
// answer, without a second effect. The zero value names none.
//
// The key is kept for 24 hours, in the transaction of the effect itself: whoever
// does not know whether a commit went through repeats the request and gets either
// the first answer or the effect, once.
type Idempotency struct {
	Owner   string            // whose key it is: keys of different owners do not meet
	Key     string            // the client's choice: 1 to 255 visible ASCII characters
	Request [sha256.Size]byte // digest of all that the request says
}

// begin gives what the first request with the key was answered, or nil where tx
// is to have the effect and to end with keep. Errors: [product.ErrKeyReused] and
// [product.ErrKeyInProgress].
//
// Until tx ends nobody else has the effect with the key. They are turned away and
// not kept waiting, since each would keep a connection waiting with it.
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
	// A statement of its own, later than the lock: it sees what the one who had
	// the lock before has committed. It is asked without the lock as well, since
	// another one who repeats the request may have it.
	answer, err := i.first(ctx, tx)
	if err == nil && answer == nil && !alone {
		return nil, product.ErrKeyInProgress
	}
	return answer, err
}

// first gives what the first request with the key was answered, as far as it is
// known by now; nil where it is not.
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

// keep stores the answer, which is JSON and comes back byte by byte. What begin
// did not find but is there has expired.
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

// firstAnswer returns what the first request with the key was answered, as far as it is known by now; nil where it is not.
func (s *DB) FirstAnswer(ctx context.Context, once Idempotency) (answer []byte, err error) {
	if once.Key == "" {
		return nil, nil
	}
	err = s.Read(ctx, "look up idempotency key", func(ctx context.Context) error {
		answer, err = once.first(ctx, s.Db)
		return err
	})
	return answer, err
}

// PurgeIdempotencyKeys forgets answers that nobody may ask for again.
func PurgeIdempotencyKeys(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const q = `
		DELETE FROM idempotency_keys WHERE (owner, key) IN (
			SELECT owner, key FROM idempotency_keys WHERE expires_at < now() ORDER BY expires_at LIMIT $1
			FOR UPDATE SKIP LOCKED
		)`
	result, err := tx.ExecContext(ctx, q, PurgeBatch)
	return Counted(result, err, PurgeBatch)
}
