package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sirupsen/logrus"
)

// Dropper removes keys from the cache, and says whether it can be reached.
type Dropper interface {
	Drop(ctx context.Context, key string) error
	Check(ctx context.Context) error
}

// NewInvalidationRelay makes the relay that drops from the cache what was
// written while the cache could not be reached.
//
// A replica that alone is cut off from the cache must not hold up the others: it
// claims nothing while it cannot reach the cache, and what it has claimed at the
// moment when it is cut off is due for them at once.
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
