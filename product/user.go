package product

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// NewUser is what a user account is made of. Both fields may be empty. Name has up to
// 200 characters; Email is unique regardless of case.
type NewUser struct {
	Name  string
	Email string
}

// User is an account that owns products. Name and Email are nil if the account has
// none. Its JSON is kept with idempotency keys.
type User struct {
	ID        int64     `db:"id" json:"id"`
	Name      *string   `db:"name" json:"name"`
	Email     *string   `db:"email" json:"email"`
	CreatedAt time.Time `db:"created_at" json:"created_at"` // UTC
}

// CreateUser stores a user. Errors: [*ValidationError], and [ErrConflict] where
// the e-mail address is taken.
func (s *Service) CreateUser(ctx context.Context, n NewUser) (User, error) {
	u, _, err := s.CreateUserOnce(ctx, n, Idempotency{})
	return u, err
}

// CreateUserOnce is to CreateUser what [Service.CreateOnce] is to Create.
func (s *Service) CreateUserOnce(ctx context.Context, n NewUser, once Idempotency) (u User, replayed bool, err error) {
	if err := n.Validate(); err != nil {
		return User{}, false, err
	}
	err = s.store.inTx(ctx, "create user", func(ctx context.Context, tx *sqlx.Tx) error {
		first, err := once.begin(ctx, tx)
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
		return once.keep(ctx, tx, answer)
	})
	if err != nil {
		return User{}, false, err
	}
	return u, replayed, nil
}

// insertUser stores a user under the next id of the sequence that is not taken: with
// an open API, clients choose ids too. An id whose user is not committed yet looks
// free to the first part of the statement; the insertion then waits for its
// transaction and stores nothing if that commits.
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
		err = tx.GetContext(ctx, &u, q, null(n.Name), null(n.Email))
		switch {
		case err == nil:
			u.CreatedAt = u.CreatedAt.UTC()
			return u, nil
		case !errors.Is(err, sql.ErrNoRows):
			return User{}, fmt.Errorf("insert user: %w", err)
		}
	}
}

// User gives the user, or [ErrNotFound] where the scope has none such.
func (s *Service) User(ctx context.Context, scope Scope, id int64) (User, error) {
	const q = `SELECT id, name, email, created_at FROM users
		WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR id = cast($2 AS bigint))`
	var u User
	err := s.store.read(ctx, "get user", func(ctx context.Context) error {
		if err := s.store.db.GetContext(ctx, &u, q, id, scope.owner()); err != nil {
			return fmt.Errorf("user: %w", err)
		}
		return nil
	})
	u.CreatedAt = u.CreatedAt.UTC()
	return u, err
}
