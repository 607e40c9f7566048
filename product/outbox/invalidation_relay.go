package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sirupsen/logrus"
)

// Dropper removes keys from the cache. Check returns an error if the cache is unavailable.
type Dropper interface {
	Drop(ctx context.Context, key string) error
	Check(ctx context.Context) error
}

// NewInvalidationRelay returns the relay that drops the cached values of products and API
// keys that were written while the cache was unavailable.
//
// A replica that alone cannot reach the cache must not delay the others: it claims nothing
// meanwhile, and rows that it had claimed are due for the others at once.
func NewInvalidationRelay(outbox *Store, cache Dropper, wake <-chan struct{}, log *logrus.Logger) *Relay {
	relay := NewRelay(outbox, KindInvalidate, 100, Each(func(ctx context.Context, row Claimed) error {
		var p invalidationPayload
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return fmt.Errorf("invalidation: %w", err)
		}
		if err := cache.Drop(ctx, p.Key); err != nil {
			return fmt.Errorf("%w: %w", errNotReached, err)
		}
		return nil
	}), wake, log)
	relay.ready = cache.Check
	return relay
}
