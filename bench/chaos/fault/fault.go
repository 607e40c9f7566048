// Package fault breaks the parts of a cluster and mends them again. Begin reading at
// [Stage.Run]; [Matrix] lists the faults.
package fault

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"vitrine/bench/chaos/history"
	"vitrine/bench/chaos/source"
	"vitrine/bench/cluster"
)

// Fault is one way in which something breaks.
type Fault struct {
	Name string
	// Hold is how long it lasts.
	Hold time.Duration
	// Smoke reports whether the fault is part of the smoke test.
	Smoke bool
	// Surge is the least number of requests in progress when the fault begins.
	Surge int
	// inject breaks something and returns the function that mends it.
	inject func(ctx context.Context, s *Stage) (heal func(context.Context) error, err error)
}

// Stage injects faults into a cluster. Its methods are not safe for concurrent use:
// faults happen one at a time.
type Stage struct {
	Cluster *cluster.Cluster
	Log     *history.Log
	Source  *source.Source
	// Spared excludes the first replica from faults that end a process, so that one
	// process lives through the whole run.
	Spared bool
	// Burst sends n requests at once and returns when they have ended.
	Burst    func(ctx context.Context, n int)
	Seed     uint64 // of the random choices, such as the replica and the latency
	Progress io.Writer

	drawn *rand.Rand
}

// rng returns the generator of the random choices.
func (s *Stage) rng() *rand.Rand {
	if s.drawn == nil {
		s.drawn = rand.New(rand.NewPCG(s.Seed, 0))
	}
	return s.drawn
}

// healLimit bounds the mending, healthyLimit the wait for healthy replicas. The checker
// judges the time that they took.
const (
	healLimit    = 2 * time.Minute
	healthyLimit = 90 * time.Second
)

// Result holds the times of one fault on the log's clock.
type Result struct {
	Name                 string
	Injected, Healed, At time.Duration // At: everything is healthy again
}

// surge is the number of requests that are sent when a fault begins, in addition to
// those of the load.
const surge = 24

// Run injects the fault, holds it, mends it and waits until every replica is healthy.
// When ctx ends it mends the fault early. After an error, which is never the fault of
// the service, the run cannot continue.
func (s *Stage) Run(ctx context.Context, f Fault) (Result, error) {
	steady := context.WithoutCancel(ctx)
	var burst sync.WaitGroup
	defer burst.Wait()
	burst.Go(func() { s.Burst(steady, max(f.Surge, surge)) })
	select { // the fault may begin at any stage of the burst
	case <-time.After(s.between(0, 150*time.Millisecond)):
	case <-ctx.Done():
	}
	result := Result{Name: f.Name, Injected: s.Log.Mark(history.Inject, f.Name)}
	heal, err := f.inject(steady, s)
	if err != nil {
		return result, fmt.Errorf("inject %s: %w", f.Name, err)
	}
	select {
	case <-time.After(f.Hold):
	case <-ctx.Done():
	}
	healing, cancel := context.WithTimeout(steady, healLimit)
	defer cancel()
	if err := heal(healing); err != nil {
		return result, fmt.Errorf("heal %s: %w", f.Name, err)
	}
	result.Healed = s.Log.Mark(history.Heal, f.Name)
	s.awaitHealthy(ctx, f.Name)
	result.At = s.Log.Now()
	fmt.Fprintf(s.Progress, "%7.1fs  %-34s held %.1f s, healthy %.1f s later\n", result.Injected.Seconds(), f.Name,
		(result.Healed - result.Injected).Seconds(), (result.At - result.Healed).Seconds())
	return result, nil
}

// probeFresh is the maximum age of a response of /readyz, which the service caches.
const probeFresh = 1100 * time.Millisecond

// awaitHealthy waits until every replica is healthy and records the result.
func (s *Stage) awaitHealthy(ctx context.Context, name string) {
	op := history.Op{Kind: history.Healthy, Start: s.Log.Now(), Fault: name}
	select {
	case <-time.After(probeFresh):
	case <-ctx.Done():
		return
	}
	if err := s.Cluster.AwaitHealthy(ctx, healthyLimit); err != nil && ctx.Err() == nil {
		op.Error = err.Error()
	}
	s.Log.Add(op)
}

// replica returns a random replica. Set killable if its process is going to end.
func (s *Stage) replica(killable bool) *cluster.Replica {
	all := s.Cluster.Replicas
	if killable && s.Spared {
		all = all[1:]
	}
	return all[s.rng().IntN(len(all))]
}

// between returns a random duration.
func (s *Stage) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.rng().Int64N(int64(high-low)))
}
