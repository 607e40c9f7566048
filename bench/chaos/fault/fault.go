// Package fault breaks the parts of a cluster, and mends them.
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
	// Smoke marks the ones of the smoke test.
	Smoke bool
	// Surge is how many requests are under way when it strikes; zero for a few.
	Surge int
	// inject breaks something and gives what mends it.
	inject func(ctx context.Context, s *Stage) (heal func(context.Context) error, err error)
}

// Stage is where faults happen. Its methods are not safe for concurrent use:
// there is one fault at a time.
type Stage struct {
	Cluster *cluster.Cluster
	Log     *history.Log
	Source  *source.Source
	// Spared keeps the first replica from faults that end its process, so that
	// one lives through the whole run.
	Spared bool
	// Burst makes n requests at once and returns when they have ended.
	Burst    func(ctx context.Context, n int)
	Seed     uint64 // which replica, how much latency and the like follow from it
	Progress io.Writer

	drawn *rand.Rand
}

func (s *Stage) rng() *rand.Rand {
	if s.drawn == nil {
		s.drawn = rand.New(rand.NewPCG(s.Seed, 0))
	}
	return s.drawn
}

// healLimit bounds the mending and the time until everything is well again. What
// takes longer is the checker's business.
const (
	healLimit = 2 * time.Minute
	wellLimit = 90 * time.Second
)

// Result is the times of one fault, on the log's clock.
type Result struct {
	Name                 string
	Injected, Healed, At time.Duration // At: well again
}

// surge is how many requests are under way when a fault strikes, beside the load's.
const surge = 24

// Run injects the fault, lets it hold, mends it and waits until every replica
// reports that all is well. The error is the stage's own trouble: the run is over.
// When ctx ends the fault is mended early.
func (s *Stage) Run(ctx context.Context, f Fault) (Result, error) {
	steady := context.WithoutCancel(ctx)
	var burst sync.WaitGroup
	defer burst.Wait()
	burst.Go(func() { s.Burst(steady, max(f.Surge, surge)) })
	select { // so that the fault strikes the burst at any stage
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
	s.awaitWell(ctx, f.Name)
	result.At = s.Log.Now()
	fmt.Fprintf(s.Progress, "%7.1fs  %-34s held %.1f s, well %.1f s later\n", result.Injected.Seconds(), f.Name,
		(result.Healed - result.Injected).Seconds(), (result.At - result.Healed).Seconds())
	return result, nil
}

// probeFresh is how old an answer of /readyz may be.
const probeFresh = 1100 * time.Millisecond

func (s *Stage) awaitWell(ctx context.Context, name string) {
	op := history.Op{Kind: history.Well, Start: s.Log.Now(), Fault: name}
	select {
	case <-time.After(probeFresh):
	case <-ctx.Done():
		return
	}
	if err := s.Cluster.AwaitWell(ctx, wellLimit); err != nil && ctx.Err() == nil {
		op.Error = err.Error()
	}
	s.Log.Add(op)
}

// replica draws one; killable ones may be ended.
func (s *Stage) replica(killable bool) *cluster.Replica {
	all := s.Cluster.Replicas
	if killable && s.Spared {
		all = all[1:]
	}
	return all[s.rng().IntN(len(all))]
}

// between draws a duration.
func (s *Stage) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.rng().Int64N(int64(high-low)))
}
