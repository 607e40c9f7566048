package product

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// NewUser is what a user account is made of. Name has 1 to 200 characters;
// Email is unique without regard to case.
type NewUser struct {
	Name  string
	Email string
}

// User is an account that owns products. Its JSON is kept with idempotency keys.
type User struct {
	ID        uuid.UUID `db:"id" json:"id"`
	Name      string    `db:"name" json:"name"`
	Email     string    `db:"email" json:"email"`
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
	id, err := newID()
	if err != nil {
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
		const q = `INSERT INTO users (id, name, email) VALUES ($1, $2, $3) RETURNING id, name, email, created_at`
		if err := tx.GetContext(ctx, &u, q, id, n.Name, n.Email); err != nil {
			return fmt.Errorf("insert user: %w", err)
		}
		u.CreatedAt = u.CreatedAt.UTC()
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

// User gives the user, or [ErrNotFound] where the scope has none such.
func (s *Service) User(ctx context.Context, scope Scope, id uuid.UUID) (User, error) {
	const q = `SELECT id, name, email, created_at FROM users
		WHERE id = $1 AND (cast($2 AS uuid) IS NULL OR id = cast($2 AS uuid))`
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
