package catalogue

import (
	"context"
	"time"

	"vitrine/product"
	"vitrine/product/postgres"
)

// awaitRecheck is the time between two reads of a product that is waited for. It bounds the
// delay when events do not arrive.
const awaitRecheck = 5 * time.Second

// Await blocks until enough reports true for the product, limit has passed or release is
// closed, and returns the product as it is then. Changes made by any replica wake it. It
// returns errors of [Service.Get] at once, and an error when ctx ends.
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
