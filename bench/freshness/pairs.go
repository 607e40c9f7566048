package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/bench/cluster"
)

// pairs counts pairs of a write and a read.
type pairs struct {
	options  options
	replicas []*cluster.Replica
	began    time.Time
	took     time.Duration

	started, done, stale, hits, failed, noise atomic.Int64

	mu    sync.Mutex
	lines []string // descriptions of the first stale reads
}

// shown is the number of stale reads that are printed.
const shown = 20

// failures is the number of requests that may fail before the run ends: nothing is
// broken on purpose.
const failures = 1000

func newPairs(o options, replicas []*cluster.Replica) *pairs {
	return &pairs{options: o, replicas: replicas}
}

// run writes and reads until there are enough pairs.
func (p *pairs) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bases := make([]string, len(p.replicas))
	for i, r := range p.replicas {
		bases[i] = r.URL
	}
	client := newClient(bases, 2*p.options.clients)
	user, err := client.createUser(ctx)
	if err != nil {
		return err
	}
	p.began = time.Now()
	go p.report(ctx)
	var clients sync.WaitGroup
	for range p.options.clients {
		clients.Go(func() {
			if err := p.work(ctx, client, user); err != nil {
				cancel(err)
			}
		})
	}
	clients.Wait()
	p.took = time.Since(p.began)
	return context.Cause(ctx)
}

// work runs one client. No other client writes to its products.
func (p *pairs) work(ctx context.Context, client *client, user string) error {
	ids := make([]string, p.options.products)
	for i := range ids {
		id, err := client.createProduct(ctx, user)
		if err != nil {
			return err
		}
		ids[i] = id
	}
	noisy := int64(1 / max(p.options.noise, 1e-9))
	for n := p.started.Add(1); n <= int64(p.options.pairs) && ctx.Err() == nil; {
		writer := int(n) % len(p.replicas)
		reader := (writer + 1 + int(n/3)%2) % len(p.replicas)
		third := 3 - writer - reader
		ok := p.pair(ctx, client, ids[int(n)%len(ids)], n, writer, reader, third, n%noisy == 0)
		if !ok {
			if p.failed.Add(1) > failures {
				return fmt.Errorf("more than %d requests failed", failures)
			}
			continue // the pair is incomplete: do it again
		}
		p.done.Add(1)
		n = p.started.Add(1)
	}
	return nil
}

// pair writes value n through one replica and reads it from another. It reports whether
// both succeeded.
func (p *pairs) pair(ctx context.Context, client *client, id string, n int64, writer, reader, third int, noisy bool) bool {
	var other sync.WaitGroup
	if noisy {
		p.noise.Add(1)
		// A read during the write may put the old value into the cache.
		other.Go(func() { _, _ = client.read(ctx, third, id) })
	}
	written, err := client.write(ctx, writer, id, n)
	if err != nil {
		other.Wait()
		return false
	}
	seen, err := client.read(ctx, reader, id)
	other.Wait()
	if err != nil {
		return false
	}
	if seen.hit {
		p.hits.Add(1)
	}
	if seen.version < written.version || seen.value != n {
		p.noteStale(id, n, written, seen, writer, reader)
	}
	return true
}

// noteStale counts and describes a stale read.
func (p *pairs) noteStale(id string, n int64, written, seen shownProduct, writer, reader int) {
	p.stale.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) < shown {
		p.lines = append(p.lines, fmt.Sprintf(
			"%.3fs product %s: %s wrote value %d as version %d; %s then returned value %d of version %d (from the cache: %t)",
			time.Since(p.began).Seconds(), id, p.replicas[writer].Name, n, written.version,
			p.replicas[reader].Name, seen.value, seen.version, seen.hit))
	}
}

// report prints the progress until ctx ends.
func (p *pairs) report(ctx context.Context) {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			done := p.done.Load()
			fmt.Printf("%9d pairs, %d stale, %.0f pairs/s\n", done, p.stale.Load(), float64(done)/time.Since(p.began).Seconds())
		case <-ctx.Done():
			return
		}
	}
}

// print prints the result.
func (p *pairs) print() {
	for _, line := range p.lines {
		fmt.Println(line)
	}
	done := p.done.Load()
	fmt.Printf("\n%d pairs of a write and a read on another replica: %d stale reads\n", done, p.stale.Load())
	fmt.Printf("%s, %.0f pairs/s; %.1f %% of the reads from the cache; %d writes with a concurrent read from the third replica; %d pairs repeated after an error\n",
		p.took.Round(time.Second), float64(done)/max(p.took.Seconds(), 1e-9), 100*float64(p.hits.Load())/max(float64(done), 1),
		p.noise.Load(), p.failed.Load())
}
