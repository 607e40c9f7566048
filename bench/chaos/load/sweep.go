package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vitrine/bench/chaos/history"
)

const (
	sweepers      = 8
	sweepAttempts = 5
)

// Sweep reads everything while the clients are paused. It waits until all images have
// settled, until the time on the log's clock at most, then calls calm, which blocks until
// no ready image is reprocessed any more, and records all products and all objects.
func (l *Load) Sweep(ctx context.Context, until time.Duration, objects *Objects, calm func(context.Context) error) error {
	items, err := l.awaitSettled(ctx, until)
	if err != nil {
		return err
	}
	if err := calm(ctx); err != nil {
		return err
	}
	var states []history.Op
	var mu sync.Mutex
	l.each(items, func(item history.Item) {
		op := l.read(ctx, item.Product, true)
		for attempt := 1; op.Outcome == history.Unknown && attempt < sweepAttempts; attempt++ {
			op = l.read(ctx, item.Product, true)
		}
		mu.Lock()
		defer mu.Unlock()
		states = append(states, op)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.fetchObjects(ctx, states, objects); err != nil {
		return err
	}
	return objects.list(ctx, l.log)
}

// each calls f for every item, several at a time.
func (l *Load) each(items []history.Item, f func(history.Item)) {
	queue := make(chan history.Item)
	var wg sync.WaitGroup
	for range sweepers {
		wg.Go(func() {
			for item := range queue {
				f(item)
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	wg.Wait()
}

// awaitSettled lists all products until every image has settled, or until the time on
// the log's clock. It records the last list.
func (l *Load) awaitSettled(ctx context.Context, until time.Duration) ([]history.Item, error) {
	for {
		op, err := l.listAll(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(op.Items, unsettled) || l.log.Now() > until {
			l.log.Add(op)
			return op.Items, nil
		}
		if !wait(ctx, time.Second) {
			return nil, ctx.Err()
		}
	}
}

// unsettled reports whether an image of the product is neither ready nor failed.
func unsettled(item history.Item) bool {
	return slices.ContainsFunc(item.State.Images, func(image history.Image) bool {
		return image.Status != "ready" && image.Status != "failed"
	})
}

// listAll returns the list of all products, read page by page.
func (l *Load) listAll(ctx context.Context) (history.Op, error) {
	all := history.Op{Kind: history.List, Final: true}
	cursor := ""
	for first := true; first || cursor != ""; first = false {
		var op history.Op
		next := ""
		for attempt := 0; attempt == 0 || op.Outcome == history.Unknown && attempt < sweepAttempts; attempt++ {
			op = history.Op{Kind: history.List, Final: true}
			path := "/products?limit=100&user_id=" + l.user
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			next = l.page(ctx, &op, path)
		}
		if op.Outcome != history.Acknowledged || op.Garbled {
			return all, fmt.Errorf("sweep: list the products: status %d %s", op.Status, op.Error)
		}
		if first {
			all.Start, all.Status, all.Replica, all.Outcome = op.Start, op.Status, op.Replica, op.Outcome
		}
		all.Items = append(all.Items, op.Items...)
		cursor = next
	}
	return all, nil
}
