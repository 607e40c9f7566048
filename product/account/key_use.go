package account

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/sirupsen/logrus"

	"vitrine/product/postgres"
)

// KeyUse records when each API key was last used, so that the user who replaces a key can
// see when the old one is no longer needed.
type KeyUse struct {
	accounts *Service
	every    time.Duration
	log      *logrus.Logger
}

// NewKeyUse returns a KeyUse for the keys that accounts verifies. It writes to PostgreSQL
// at the interval every.
func NewKeyUse(accounts *Service, every time.Duration, log *logrus.Logger) *KeyUse {
	return &KeyUse{accounts: accounts, every: every, log: log}
}

// Run writes until ctx ends. It retries failed writes; uses since the last write before
// ctx ends are lost.
func (u *KeyUse) Run(ctx context.Context) error {
	return postgres.Poll(ctx, u.every, u.log, "Cannot record the use of API keys", func(ctx context.Context) (bool, error) {
		return false, u.accounts.writeKeyUse(ctx)
	})
}

// writeKeyUse writes the uses that VerifyKey noted.
func (s *Service) writeKeyUse(ctx context.Context) error {
	s.keys.mu.Lock()
	noted := maps.Clone(s.keys.used)
	s.keys.mu.Unlock()
	if len(noted) == 0 {
		return nil
	}
	ids, times := make([]string, 0, len(noted)), make([]string, 0, len(noted))
	for id, at := range noted {
		ids, times = append(ids, id.String()), append(times, at.UTC().Format(time.RFC3339Nano))
	}
	// Other replicas write the same keys. Locked rows are skipped, and so are rows with
	// an equally recent time.
	const q = `
		WITH late AS (
			SELECT api_keys.id, n.at
			FROM unnest(cast($1 AS uuid[]), cast($2 AS timestamptz[])) AS n (id, at) JOIN api_keys USING (id)
			WHERE last_used_at IS NULL OR last_used_at < n.at - interval '30 seconds'
			FOR NO KEY UPDATE OF api_keys SKIP LOCKED
		)
		UPDATE api_keys SET last_used_at = late.at FROM late WHERE api_keys.id = late.id`
	err := s.store.InTx(ctx, "write key use", func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, q, pq.Array(ids), pq.Array(times)); err != nil {
			return fmt.Errorf("update keys: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	maps.DeleteFunc(s.keys.used, func(id uuid.UUID, at time.Time) bool { return at.Equal(noted[id]) })
	return nil
}
