package outbox

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// ExplainJobClaim claims jobs, returns the plan that EXPLAIN ANALYZE reports in JSON, and
// rolls the claim back.
func ExplainJobClaim(ctx context.Context, s *Store, after int64, limits Limits) (plan []byte, err error) {
	q, args, err := s.store.Pool.BindNamed(`EXPLAIN (ANALYZE, FORMAT JSON)`+claimQuery, claimArgs(uuid.New(), jobClaim{after: after, limits: limits}))
	if err != nil {
		return nil, err
	}
	undo := errors.New("undone")
	err = s.store.InTx(ctx, "explain", func(ctx context.Context, tx *sqlx.Tx) error {
		return errors.Join(undo, takeTurn(ctx, tx), tx.GetContext(ctx, &plan, q, args...))
	})
	if plan == nil {
		return nil, err
	}
	return plan, nil
}

// PublishJobs is the handler of the job relay.
var PublishJobs = publishJobs
