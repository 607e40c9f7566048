package main

import (
	"context"
	"time"
)

// reprocessLimit is for the reprocessing of all ready images, including those whose process
// was killed: another one begins them when their lease has ended.
const reprocessLimit = 4 * time.Minute

// awaitReprocessing waits until no ready image is about to get other variants. Otherwise a
// sweep would find objects that nothing named a moment before. What takes longer shows
// there.
func (c *chaos) awaitReprocessing(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, reprocessLimit)
	defer cancel()
	for c.reprocessing(bounded) {
		select {
		case <-bounded.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return ctx.Err()
}

// reprocessing reports whether any image is to be reprocessed, or whether that is unknown.
func (c *chaos) reprocessing(ctx context.Context) bool {
	values, err := metrics(ctx, c.cluster.Replicas[0])
	left, known := values[`vitrine_image_reprocess_due`]
	return err != nil || !known || left > 0
}
