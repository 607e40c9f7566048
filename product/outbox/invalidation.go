package outbox

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product/postgres"
)

const (
	// firstLook and lastLook bound the time between two reads of the outbox.
	firstLook = 5 * time.Millisecond
	lastLook  = 100 * time.Millisecond
	// noticed is the age from which a waiting invalidation was committed longer ago than
	// any cache's lag, so no replica reads from the cache any more. It includes the
	// longest transaction, because a row's created_at is the start of its transaction.
	noticed = postgres.OperationTimeout + 3*time.Second
)

// awaitInvalidation blocks until no replica returns the old value of the subject any more: until
// a replica has carried out the recorded invalidation, or until lag has passed. While the
// cache is unavailable to all replicas, only the first writes wait. It returns an error if ctx
// ends, which bounds the whole write.
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

// awaitsInvalidation reports whether an invalidation of the subject waits and none is so old
// that all replicas have stopped using the cache.
func (s *Store) awaitsInvalidation(ctx context.Context, id uuid.UUID) (bool, error) {
	const q = `
		SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = 'invalidate' AND subject = $1)
			AND NOT EXISTS (SELECT 1 FROM outbox WHERE kind = 'invalidate'
				AND created_at < clock_timestamp() - $2 * interval '1 microsecond')`
	var waiting bool
	err := s.store.Get(ctx, "await invalidation", &waiting, q, id, noticed.Microseconds())
	return waiting, err
}

// Conclude calls tell, which updates the cache after a committed write. If tell fails, Conclude
// records the invalidation and waits for it. An empty token means that the write has recorded
// it already. After an error the caller must not acknowledge the write.
func (s *Store) Conclude(
	ctx context.Context, invalidation Row, token string, lag time.Duration, tell func(context.Context) error,
) error {
	// The write is committed, so canceling ctx must not keep others from seeing it. Only
	// its deadline does. Patient waits for a connection even if many others wait.
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
		err := s.store.InTx(detached, "record invalidation", func(ctx context.Context, tx *sqlx.Tx) error {
			return Insert(ctx, tx, []Row{invalidation})
		})
		if err != nil {
			return err
		}
	}
	return s.awaitInvalidation(postgres.Patient(ctx), invalidation.Subject, lag)
}
