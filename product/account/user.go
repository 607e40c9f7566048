package account

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Cache is the part of the cache that accounts use. Package catalogue describes its
// methods.
type Cache interface {
	Fetch(ctx context.Context, key, group string, load func(context.Context) ([]byte, error)) (value []byte, hit bool, err error)
	Forbid(ctx context.Context, key string) (token string, err error)
	Drop(ctx context.Context, key string) error
	Lag() time.Duration
}

// Service manages users and their API keys. All methods are safe for concurrent use.
type Service struct {
	store  *postgres.DB
	outbox *outbox.Store
	cache  Cache
	log    *logrus.Logger
	keys   *keyring
}

// New returns the accounts in a database.
func New(store *postgres.DB, outbox *outbox.Store, cache Cache, log *logrus.Logger) *Service {
	return &Service{store: store, outbox: outbox, cache: cache, log: log, keys: newKeyring()}
}

// maxEmailBytes is the maximum length of an e-mail address (RFC 5321, section 4.5.3).
const maxEmailBytes = 254

// NewUser is the input that creates a user. Both fields may be empty. Name has up to 200
// characters; Email is unique regardless of case.
type NewUser struct {
	Name  string
	Email string
}

// User is an account that owns products. Name and Email are nil if the account has none.
// Its JSON is stored with idempotency keys, so the names of its fields must not change.
type User struct {
	ID        int64     `db:"id" json:"id"`
	Name      *string   `db:"name" json:"name"`
	Email     *string   `db:"email" json:"email"`
	CreatedAt time.Time `db:"created_at" json:"created_at"` // UTC
}

// CreateUser stores a user, for a request that may be repeated. It reports replayed if u is
// the user that the first request with the idempotency key created. Errors:
// [*product.ValidationError], [product.ErrKeyReused], [product.ErrKeyInProgress], and
// [product.ErrConflict] if the e-mail address is taken.
func (s *Service) CreateUser(ctx context.Context, n NewUser, once postgres.Idempotency) (u User, replayed bool, err error) {
	if err := n.Validate(); err != nil {
		return User{}, false, err
	}
	err = s.store.InTx(ctx, "create user", func(ctx context.Context, tx *sqlx.Tx) error {
		first, err := once.Begin(ctx, tx)
		if err != nil {
			return err
		}
		if replayed = first != nil; replayed {
			return json.Unmarshal(first, &u)
		}
		if u, err = insertUser(ctx, tx, n); err != nil {
			return err
		}
		answer, err := json.Marshal(u)
		if err != nil {
			return fmt.Errorf("encode user: %w", err)
		}
		return once.Keep(ctx, tx, answer)
	})
	if err != nil {
		return User{}, false, err
	}
	return u, replayed, nil
}

// insertUser stores a user under the next free id of the sequence; with an open API,
// clients choose ids too. The first part of the statement does not see an id whose user is
// not committed yet. The insertion then waits for that transaction and inserts no row if
// it commits, so insertUser tries the next id.
func insertUser(ctx context.Context, tx *sqlx.Tx, n NewUser) (u User, err error) {
	const q = `
		WITH RECURSIVE next AS (
			SELECT nextval(pg_get_serial_sequence('users', 'id')) AS id
			UNION ALL
			SELECT nextval(pg_get_serial_sequence('users', 'id')) FROM next WHERE EXISTS (SELECT 1 FROM users WHERE users.id = next.id)
		)
		INSERT INTO users (id, name, email)
		SELECT max(id), cast($1 AS text), cast($2 AS text) FROM next
		ON CONFLICT (id) DO NOTHING
		RETURNING id, name, email, created_at`
	for {
		err = tx.GetContext(ctx, &u, q, postgres.EmptyToNull(n.Name), postgres.EmptyToNull(n.Email))
		switch {
		case err == nil:
			u.CreatedAt = u.CreatedAt.UTC()
			return u, nil
		case !errors.Is(err, sql.ErrNoRows):
			return User{}, fmt.Errorf("insert user: %w", err)
		}
	}
}

// User returns a user, or [product.ErrNotFound] if the scope does not cover the id.
func (s *Service) User(ctx context.Context, scope product.Scope, id int64) (User, error) {
	const q = `SELECT id, name, email, created_at FROM users
		WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR id = cast($2 AS bigint))`
	var u User
	err := s.store.Get(ctx, "get user", &u, q, id, scope.Owner())
	u.CreatedAt = u.CreatedAt.UTC()
	return u, err
}

// Validate returns a [*product.ValidationError] that lists every invalid field, or nil.
func (n NewUser) Validate() error {
	var f product.FieldErrors
	if n.Name != "" {
		f.CheckText("name", n.Name, 1, product.MaxName, false)
	}
	if n.Email != "" {
		checkEmail(&f, "email", n.Email)
	}
	return f.Err()
}

// checkEmail checks for one @ with text on both sides and for spaces. Only a message can
// show whether the mailbox exists (RFC 5321, section 4.1.2).
func checkEmail(f *product.FieldErrors, field, s string) {
	local, domain, _ := strings.Cut(s, "@")
	switch {
	case s == "":
		f.Add(field, "required", "must not be empty")
	case len(s) > maxEmailBytes:
		f.Add(field, "too_long", "must have at most %d bytes, has %d", maxEmailBytes, len(s))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		f.Add(field, "invalid_characters", "must be valid UTF-8 without spaces or control characters")
	case local == "" || len(local) > 64 || domain == "" || strings.Contains(domain, "@"):
		f.Add(field, "invalid_email", "must be an e-mail address like name@example.org")
	}
}
