package product

import (
	"context"
	"encoding/json"
	"time"
)

// awaitRecheck is when somebody who waits looks again unasked, should the event
// log be held up.
const awaitRecheck = 5 * time.Second

// Settled reports whether all images are ready or failed.
func (s Snapshot) Settled() bool {
	var data struct {
		ImageStatus ImageStatus `json:"image_status"`
	}
	return json.Unmarshal(s.Data, &data) == nil && data.ImageStatus != ImagesPending
}

// Await is Get that holds until the product is as enough wants it, limit has
// passed or release is closed, and gives the product as it is then. It is woken by
// changes that any replica made. Errors of Get come at once; the end of ctx is one
// too.
func (s *Service) Await(
	ctx context.Context, scope Scope, id int64, limit time.Duration, release <-chan struct{}, enough func(Snapshot) bool,
) (Snapshot, error) {
	changed, stop := s.hub.watch(id)
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
			return Snapshot{}, translate(ctx, "await product", ctx.Err())
		}
	}
}
