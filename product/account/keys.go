package account

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

const (
	// maxValidKeys is how many valid keys a user may have at once.
	maxValidKeys = 10
	// keptOldKeys is how many expired or revoked keys of a user are kept.
	keptOldKeys = 50
)

// keyRow is a row of api_keys, without the digest.
type keyRow struct {
	ID         uuid.UUID  `db:"id"`
	UserID     int64      `db:"user_id"`
	Name       string     `db:"name"`
	Prefix     string     `db:"prefix"`
	ReadOnly   bool       `db:"read_only"`
	CreatedAt  time.Time  `db:"created_at"`
	ExpiresAt  *time.Time `db:"expires_at"`
	RevokedAt  *time.Time `db:"revoked_at"`
	LastUsedAt *time.Time `db:"last_used_at"`
}

const keyColumns = `id, user_id, name, prefix, read_only, created_at, expires_at, revoked_at, last_used_at`

// key returns the key in the row.
func (r keyRow) key() APIKey {
	return APIKey{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Prefix: r.Prefix, ReadOnly: r.ReadOnly, CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: utc(r.ExpiresAt), RevokedAt: utc(r.RevokedAt), LastUsedAt: utc(r.LastUsedAt),
	}
}

// utc returns t in UTC; nil stays nil.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// CreateKey creates a key for the user and returns it with its text, which cannot be
// retrieved later: after [product.ErrUnavailable] a key may exist whose text is lost.
// Further errors: [product.ErrNotFound] if the scope does not cover the user,
// [ErrTooManyKeys], [*product.ValidationError].
func (s *Service) CreateKey(ctx context.Context, scope product.Scope, user int64, n NewAPIKey) (key APIKey, text string, err error) {
	if err := n.Validate(); err != nil {
		return APIKey{}, "", err
	}
	id, err := postgres.NewID()
	if err != nil {
		return APIKey{}, "", err
	}
	text = newKeyText()
	digest, _ := digestKey(text)
	var row keyRow
	err = s.store.InTx(ctx, "create key", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := lockUser(ctx, tx, scope, user); err != nil {
			return err
		}
		if err := checkKeyCount(ctx, tx, user); err != nil {
			return err
		}
		const q = `
			INSERT INTO api_keys (id, user_id, name, prefix, sha256, read_only, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			RETURNING ` + keyColumns
		return tx.GetContext(ctx, &row, q, id, user, n.Name, text[:len(KeyMark)+keyShown], digest[:], n.ReadOnly, n.ExpiresAt)
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return row.key(), text, nil
}

// lockUser blocks other creations of keys for the user until tx ends; products can still
// be created. It returns [product.ErrNotFound] if the scope does not cover the user.
func lockUser(ctx context.Context, tx *sqlx.Tx, scope product.Scope, user int64) error {
	const q = `SELECT id FROM users
		WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR id = cast($2 AS bigint)) FOR NO KEY UPDATE`
	var id int64
	if err := tx.GetContext(ctx, &id, q, user, scope.Owner()); err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	return nil
}

// checkKeyCount returns [ErrTooManyKeys] if the user has the maximum number of valid keys,
// and deletes the oldest expired and revoked ones beyond keptOldKeys.
func checkKeyCount(ctx context.Context, tx *sqlx.Tx, user int64) error {
	const valid = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`
	var n int
	if err := tx.GetContext(ctx, &n, `SELECT count(*) FROM api_keys WHERE user_id = $1 AND `+valid, user); err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	if n >= maxValidKeys {
		return ErrTooManyKeys
	}
	const prune = `
		DELETE FROM api_keys WHERE id IN (
			SELECT id FROM api_keys WHERE user_id = $1 AND NOT (` + valid + `) ORDER BY id DESC OFFSET $2 LIMIT 100)`
	if _, err := tx.ExecContext(ctx, prune, user, keptOldKeys); err != nil {
		return fmt.Errorf("prune keys: %w", err)
	}
	return nil
}

// Keys returns the user's keys, newest first: all valid ones and the latest expired and
// revoked ones. It returns [product.ErrNotFound] if the scope does not cover the user.
func (s *Service) Keys(ctx context.Context, scope product.Scope, user int64) ([]APIKey, error) {
	const find = `SELECT id FROM users WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR id = cast($2 AS bigint))`
	const q = `SELECT ` + keyColumns + ` FROM api_keys
		WHERE user_id = $1 AND (cast($2 AS bigint) IS NULL OR user_id = cast($2 AS bigint))
		ORDER BY id DESC LIMIT 2 * $3`
	var rows []keyRow
	err := s.store.InSnapshot(ctx, "list keys", func(ctx context.Context, tx *sqlx.Tx) error {
		var id int64
		if err := tx.GetContext(ctx, &id, find, user, scope.Owner()); err != nil {
			return fmt.Errorf("user: %w", err)
		}
		return tx.SelectContext(ctx, &rows, q, user, scope.Owner(), maxValidKeys+keptOldKeys)
	})
	if err != nil {
		return nil, err
	}
	keys := make([]APIKey, len(rows))
	for i, r := range rows {
		keys[i] = r.key()
	}
	return keys, nil
}

// RevokeKey revokes a key. Within five seconds no replica accepts it. It may be called
// again. It returns [product.ErrNotFound] if the scope does not cover the user or the user
// has no such key.
func (s *Service) RevokeKey(ctx context.Context, scope product.Scope, user int64, id uuid.UUID) (APIKey, error) {
	ctx, cancel := context.WithTimeout(ctx, postgres.WriteTimeout)
	defer cancel()
	const q = `
		UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
		WHERE id = $1 AND user_id = $2 AND (cast($3 AS bigint) IS NULL OR user_id = cast($3 AS bigint))
		RETURNING sha256, ` + keyColumns
	var row struct {
		SHA256 []byte `db:"sha256"`
		keyRow
	}
	var digest keyDigest
	var token string
	err := s.store.InTx(ctx, "revoke key", func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if err := tx.GetContext(ctx, &row, q, id, user, scope.Owner()); err != nil {
			return fmt.Errorf("key: %w", err)
		}
		digest = keyDigest(row.SHA256) // a CHECK of the table ensures the length
		// The tombstone is set last and under the row's lock, as for products.
		if token, err = s.cache.Forbid(ctx, digest.cacheKey()); err != nil {
			return outbox.Insert(ctx, tx, []outbox.Row{outbox.Invalidation(id, digest.cacheKey())})
		}
		return nil
	})
	if err != nil {
		return APIKey{}, err
	}
	s.keys.granted.Remove(digest) // ends at once in this process
	return row.key(), s.outbox.Conclude(ctx, outbox.Invalidation(id, digest.cacheKey()), token, s.cache.Lag(), func(ctx context.Context) error {
		return s.cache.Drop(ctx, digest.cacheKey())
	})
}
