package main

import (
	"context"
	"time"
)

// reworksLimit is for the second passes over ready pictures, those included whose
// process was killed: somebody else begins them when their claim has ended.
const reworksLimit = 4 * time.Minute

// awaitReworks waits until no ready picture is about to get other variants: a sweep
// would otherwise find objects that nothing named a moment before. What takes longer
// shows there.
func (c *chaos) awaitReworks(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, reworksLimit)
	defer cancel()
	for c.reworks(bounded) {
		select {
		case <-bounded.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return ctx.Err()
}

// reworks reports whether there are any, or nobody can tell.
func (c *chaos) reworks(ctx context.Context) bool {
	values, err := metrics(ctx, c.cluster.Replicas[0])
	left, known := values[`vitrine_outbox_rows{kind="image_rework"}`]
	return err != nil || !known || left > 0
}
