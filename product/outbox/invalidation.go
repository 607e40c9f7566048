package outbox

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product/postgres"
)

const (
	// firstLook and lastLook bound the time between two looks at the outbox.
	firstLook = 5 * time.Millisecond
	lastLook  = 100 * time.Millisecond
	// noticed is the age at which a waiting invalidation has been committed for
	// longer than any cache's Lag: no replica reads from the cache any more. It
	// includes the longest transaction, since a row is dated by its beginning.
	noticed = postgres.OperationTimeout + 3*time.Second
)

// awaitInvalidation returns when no replica shows the product's old value any
// more, after a write that could not tell the cache: as soon as a replica that can
// reach the cache has done the recorded invalidation, and otherwise when the
// cache's Lag is over. While the cache is down for all, only the first writes wait.
// The end of ctx, which is that of the time for the whole write, is an error.
func (s *Store) awaitInvalidation(ctx context.Context, id uuid.UUID, lag time.Duration) error {
	end := time.NewTimer(lag)
	defer end.Stop()
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		waiting, err := s.awaitsInvalidation(ctx, id)
		if err != nil || !waiting {
			return err
		}
		select {
		case <-end.C:
			return nil
		case <-time.After(wait):
		case <-ctx.Done():
			return postgres.Translate(ctx, "await invalidation", ctx.Err())
		}
	}
}

// awaitsInvalidation says that an invalidation of the product has not been done,
// and that there is none so old that all replicas do without the cache.
func (s *Store) awaitsInvalidation(ctx context.Context, id uuid.UUID) (bool, error) {
	const q = `
		SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = 'invalidate' AND subject = $1)
			AND NOT EXISTS (SELECT 1 FROM outbox WHERE kind = 'invalidate'
				AND created_at < clock_timestamp() - $2 * interval '1 microsecond')`
	var waiting bool
	err := s.store.Get(ctx, "await invalidation", &waiting, q, id, noticed.Microseconds())
	return waiting, err
}

// conclude tells the cache of a committed write. Without a token, the write's
// invalidation is recorded already. Where the cache fails, an invalidation is
// recorded, unless there is one, and waited for. An error says that the caller
// must not acknowledge the write.
func (o *Store) Conclude(
	ctx context.Context, invalidation Row, token string, lag time.Duration, tell func(context.Context) error,
) error {
	// The write is done, so its caller's end must not keep it from being seen.
	// The end of the time for it does; a crowd at the database does not.
	detached := postgres.Patient(context.WithoutCancel(ctx))
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		detached, cancel = context.WithDeadline(detached, end)
		defer cancel()
	}
	if tell(detached) == nil {
		return nil
	}
	if token != "" {
		err := o.store.InTx(detached, "record invalidation", func(ctx context.Context, tx *sqlx.Tx) error {
			return Insert(ctx, tx, []Row{invalidation})
		})
		if err != nil {
			return err
		}
	}
	return o.awaitInvalidation(postgres.Patient(ctx), invalidation.Subject, lag)
}
