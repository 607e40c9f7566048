package product

import (
	"context"
	"time"

	"github.com/google/uuid"
)

const (
	// firstLook and lastLook bound the time between two looks at the outbox.
	firstLook = 5 * time.Millisecond
	lastLook  = 100 * time.Millisecond
	// noticed is the age at which a waiting invalidation has been committed for
	// longer than any cache's Lag: no replica reads from the cache any more. It
	// includes the longest transaction, since a row is dated by its beginning.
	noticed = operationTimeout + 3*time.Second
)

// awaitInvalidation returns when no replica shows the product's old value any
// more, after a write that could not tell the cache: as soon as a replica that can
// reach the cache has done the recorded invalidation, and otherwise when the
// cache's Lag is over. While the cache is down for all, only the first writes wait.
// The end of ctx, which is that of the time for the whole write, is an error.
func (s *Service) awaitInvalidation(ctx context.Context, id uuid.UUID) error {
	end := time.NewTimer(s.cache.Lag())
	defer end.Stop()
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		waiting, err := s.store.awaitsInvalidation(ctx, id)
		if err != nil || !waiting {
			return err
		}
		select {
		case <-end.C:
			return nil
		case <-time.After(wait):
		case <-ctx.Done():
			return translate(ctx, "await invalidation", ctx.Err())
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
	err := s.read(ctx, "await invalidation", func(ctx context.Context) error {
		return s.db.GetContext(ctx, &waiting, q, id, noticed.Microseconds())
	})
	return waiting, err
}
