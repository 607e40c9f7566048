package catalogue

import (
	"context"
	"time"

	"vitrine/product"
	"vitrine/product/postgres"
)

// awaitRecheck is when somebody who waits looks again unasked, should the event
// log be held up.
const awaitRecheck = 5 * time.Second

// Await is Get that holds until the product is as enough wants it, limit has
// passed or release is closed, and gives the product as it is then. It is woken by
// changes that any replica made. Errors of Get come at once; the end of ctx is one
// too.
func (s *Service) Await(
	ctx context.Context, scope product.Scope, id int64, limit time.Duration, release <-chan struct{}, enough func(product.Snapshot) bool,
) (product.Snapshot, error) {
	changed, stop := s.events.Watch(id)
	defer stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	recheck := time.NewTicker(awaitRecheck)
	defer recheck.Stop()
	for over := false; ; {
		current, err := s.Get(ctx, scope, id)
		if err != nil || over || enough(current) {
			return current, err
		}
		select {
		case <-changed:
		case <-recheck.C:
		case <-end.C:
			over = true
		case <-release:
			over = true
		case <-ctx.Done():
			return product.Snapshot{}, postgres.Translate(ctx, "await product", ctx.Err())
		}
	}
}
