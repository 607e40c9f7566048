package catalogue

import (
	"context"
	"errors"
	"fmt"

	"vitrine/product"
)

// ErrVersionNotReached says that the product has no version as late as the one
// that was asked for.
var ErrVersionNotReached = errors.New("version is not reached")

// GetAtLeast is Get for a reader who knows that there is a version: whatever is
// older is read again from PostgreSQL, and [ErrVersionNotReached] if it is older
// even there.
func (s *Service) GetAtLeast(ctx context.Context, scope product.Scope, id int64, version int64) (product.Snapshot, error) {
	found, err := s.Get(ctx, scope, id)
	if err != nil || found.Version >= version {
		return found, err
	}
	latest, err := s.read(ctx, scope, id)
	if err != nil {
		return product.Snapshot{}, err
	}
	if found.Source != product.FromDatabase && latest.Version > found.Version {
		// It must not happen, and must not happen twice. A failure is counted there.
		if key, err := s.cacheKey(ctx, id); err == nil {
			_ = s.cache.Drop(ctx, key)
		}
	}
	if latest.Version < version {
		return product.Snapshot{}, fmt.Errorf("version %d, not %d: %w", latest.Version, version, ErrVersionNotReached)
	}
	return latest, nil
}
