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
	// maxLiveKeys is how many valid keys a user may have at once.
	maxLiveKeys = 10
	// keptDeadKeys is how many keys that open nothing any more a user is shown.
	keptDeadKeys = 50
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

func (r keyRow) key() APIKey {
	return APIKey{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Prefix: r.Prefix, ReadOnly: r.ReadOnly, CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: utc(r.ExpiresAt), RevokedAt: utc(r.RevokedAt), LastUsedAt: utc(r.LastUsedAt),
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// CreateKey makes a key for the user and gives it with its text, which cannot be
// had again: after [product.ErrUnavailable] there may be a key that nobody knows. Further
// errors: [product.ErrNotFound] where the scope has no such user, [ErrTooManyKeys],
// [*product.ValidationError].
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
		if err := makeRoom(ctx, tx, user); err != nil {
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

// lockUser keeps others from making keys for the user until tx ends, or gives
// [product.ErrNotFound] where the scope has none such. Products can be made meanwhile.
func lockUser(ctx context.Context, tx *sqlx.Tx, scope product.Scope, user int64) error {
	const q = `SELECT id FROM users
		WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR id = cast($2 AS bigint)) FOR NO KEY UPDATE`
	var id int64
	if err := tx.GetContext(ctx, &id, q, user, scope.Owner()); err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	return nil
}

// makeRoom gives [ErrTooManyKeys] where the user may have no further key, and
// forgets the oldest ones that open nothing.
func makeRoom(ctx context.Context, tx *sqlx.Tx, user int64) error {
	const live = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`
	var n int
	if err := tx.GetContext(ctx, &n, `SELECT count(*) FROM api_keys WHERE user_id = $1 AND `+live, user); err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	if n >= maxLiveKeys {
		return ErrTooManyKeys
	}
	const prune = `
		DELETE FROM api_keys WHERE id IN (
			SELECT id FROM api_keys WHERE user_id = $1 AND NOT (` + live + `) ORDER BY id DESC OFFSET $2 LIMIT 100)`
	if _, err := tx.ExecContext(ctx, prune, user, keptDeadKeys); err != nil {
		return fmt.Errorf("prune keys: %w", err)
	}
	return nil
}

// Keys gives the user's keys, newest first: all valid ones, and those latest that
// are not any more. The error is [product.ErrNotFound] where the scope has no such user.
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
		return tx.SelectContext(ctx, &rows, q, user, scope.Owner(), maxLiveKeys+keptDeadKeys)
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

// RevokeKey ends a key for good: five seconds later at most no replica takes it any
// more. It may be called again. The error is [product.ErrNotFound] where the scope has no
// such user or the user no such key.
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
		digest = keyDigest(row.SHA256) // of this length by the table's definition
		// Last, and under the row's lock, as in write.
		if token, err = s.cache.Forbid(ctx, digest.cacheKey()); err != nil {
			return outbox.Insert(ctx, tx, []outbox.Row{outbox.Invalidation(id, digest.cacheKey())})
		}
		return nil
	})
	if err != nil {
		return APIKey{}, err
	}
	s.keys.granted.Remove(digest) // so that here it ends at once
	return row.key(), s.outbox.Conclude(ctx, outbox.Invalidation(id, digest.cacheKey()), token, s.cache.Lag(), func(ctx context.Context) error {
		return s.cache.Drop(ctx, digest.cacheKey())
	})
}
