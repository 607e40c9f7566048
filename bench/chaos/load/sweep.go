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
	sweepers   = 8
	sweepTries = 5
)

// Sweep looks at everything while the clients are paused: it waits until all
// pictures have settled, for until at most, and calm says that nothing works on ready
// ones any more, and then writes down all products and all objects that there are.
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
		for try := 1; op.Outcome == history.Unknown && try < sweepTries; try++ {
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

// each calls f for every item, several at once.
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

// awaitSettled lists all products until no picture is under way, or until the time
// on the log's clock. The last list is recorded.
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

func unsettled(item history.Item) bool {
	return slices.ContainsFunc(item.State.Images, func(image history.Image) bool {
		return image.Status != "ready" && image.Status != "failed"
	})
}

// listAll pages through all products.
func (l *Load) listAll(ctx context.Context) (history.Op, error) {
	all := history.Op{Kind: history.List, Final: true}
	cursor := ""
	for first := true; first || cursor != ""; first = false {
		var op history.Op
		next := ""
		for try := 0; try == 0 || op.Outcome == history.Unknown && try < sweepTries; try++ {
			op = history.Op{Kind: history.List, Final: true}
			path := "/products?limit=100&user_id=" + l.user
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			next = l.page(ctx, &op, path)
		}
		if op.Outcome != history.Acknowledged || op.Garbled {
			return all, fmt.Errorf("the sweep cannot list the products: status %d %s", op.Status, op.Error)
		}
		if first {
			all.Start, all.Status, all.Replica, all.Outcome = op.Start, op.Status, op.Replica, op.Outcome
		}
		all.Items = append(all.Items, op.Items...)
		cursor = next
	}
	return all, nil
}
