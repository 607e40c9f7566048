package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/fault"
	"vitrine/bench/chaos/history"
	"vitrine/bench/chaos/load"
	"vitrine/bench/chaos/source"
	"vitrine/bench/cluster"
)

const (
	soakInterval = 30 * time.Second
	// pause is the time between two faults.
	pause = 300 * time.Millisecond
	// checkpoint is the number of faults after which the clients pause for a sweep.
	checkpoint = 32
	closeLimit = 3 * time.Minute
)

// chaos is one run.
type chaos struct {
	options options
	folder  string
	out     io.Writer
	cluster *cluster.Cluster
	source  *source.Source
	log     *history.Log
	load    *load.Load
	objects *load.Objects
	stage   *fault.Stage
	results []fault.Result
}

// run does the whole run. It returns an error if the run could not be completed or
// there were violations.
func run(ctx context.Context, o options, root, folder string) (err error) {
	c := &chaos{options: o, folder: folder, out: os.Stdout, log: history.NewLog()}
	fmt.Fprintf(c.out, "seed %d\n", o.seed)
	if c.source, err = source.Start(ctx); err != nil {
		return err
	}
	defer c.source.Close()
	c.cluster, err = cluster.Start(ctx, cluster.Config{
		Root: root, Folder: folder, Replicas: 3, Race: o.race, Binary: o.binary, Chaos: true,
		Progress: c.out, Env: c.source.Env(),
	})
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		fmt.Fprintln(c.out, "stopping everything")
		err = errors.Join(err, c.cluster.Close(closing, err == nil))
	}()
	if err != nil {
		return err
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := c.work(ctx); err != nil {
		return err
	}
	return c.judge()
}

// prepare creates the clients and the stage for the faults.
func (c *chaos) prepare(ctx context.Context) (err error) {
	o := c.options
	cfg := load.Config{URL: c.cluster.URL, Rate: o.rate, Clients: o.clients, PictureShare: o.pictures, Seed: o.seed}
	if o.soak > 0 {
		cfg.MaxProducts = 1500
	}
	if c.load, err = load.New(ctx, cfg, c.source, c.log); err != nil {
		return err
	}
	if c.objects, err = load.NewObjects(c.cluster.Servers.Env); err != nil {
		return err
	}
	c.stage = &fault.Stage{
		Cluster: c.cluster, Log: c.log, Source: c.source, Spared: o.soak > 0,
		Burst: c.load.Burst, Seed: o.seed, Progress: c.out,
	}
	return nil
}

// work runs clients and faults, with sweeps between them and at the end.
func (c *chaos) work(ctx context.Context) error {
	faults, err := c.choose()
	if err != nil {
		return err
	}
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var clients sync.WaitGroup
	clients.Go(func() { c.load.Run(loading) })
	defer clients.Wait()
	defer stopLoad()

	if err := sleep(ctx, 3*time.Second); err != nil { // some products to work on
		return err
	}
	meter := newMeter(c)
	if c.options.soak > 0 {
		if err := meter.begin(ctx); err != nil {
			return err
		}
	}
	if err := c.inject(ctx, faults); err != nil {
		return err
	}
	if c.options.soak > 0 {
		defer meter.end(ctx)
	}
	stopLoad()
	clients.Wait()
	return c.sweep(ctx)
}

// inject injects the faults one by one until none is left or the time is up.
func (c *chaos) inject(ctx context.Context, faults []fault.Fault) error {
	end := time.Now().Add(c.options.duration)
	for i, f := range faults {
		began := time.Now()
		if began.After(end) {
			fmt.Fprintf(c.out, "the time is up after %d of %d faults\n", i, len(faults))
			break
		}
		result, err := c.stage.Run(ctx, f)
		if err != nil {
			return err
		}
		c.results = append(c.results, result)
		rest := pause
		if c.options.soak > 0 {
			rest = max(pause, time.Until(began.Add(soakInterval)))
		}
		if err := sleep(ctx, rest); err != nil {
			return err
		}
		if (i+1)%checkpoint == 0 && i+1 < len(faults) {
			resume := c.load.Pause()
			err := c.sweep(ctx)
			resume()
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// sweep waits until all jobs should have ended, then reads every product and object.
func (c *chaos) sweep(ctx context.Context) error {
	until := c.log.Now()
	if n := len(c.results); n > 0 {
		until = c.results[n-1].Healed
	}
	began := c.log.Now()
	if err := c.load.Sweep(ctx, until+check.DefaultLimits.Settle, c.objects, c.awaitReprocessing); err != nil {
		return err
	}
	found := check.Check(c.log.Ops(), check.DefaultLimits)
	fmt.Fprintf(c.out, "%7.1fs  checkpoint: %d operations acknowledged, %d pictures, %d faults, %d violations; took %.1f s\n",
		began.Seconds(), c.load.Acknowledged(), c.load.Pictures(), len(c.results), len(found.Violations), (c.log.Now() - began).Seconds())
	return nil
}

// judge checks the history and prints the tables. It returns an error for violations.
func (c *chaos) judge() error {
	ops := c.log.Ops()
	path := filepath.Join(c.folder, "history.jsonl")
	if err := c.log.Write(path); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	verdict := check.Check(ops, check.DefaultLimits)
	show(c.out, c.summarize(ops, verdict), verdict, ops)
	if n := len(verdict.Violations); n > 0 {
		return fmt.Errorf("%d violations; history: %s", n, path)
	}
	return c.enough()
}

// The least that a run with the default selection has to do.
const (
	leastAcknowledged = 20_000
	leastPictures     = 2_000
	leastFaults       = 60
)

// enough returns an error if a run with the default selection did too little for its
// verdict to mean anything.
func (c *chaos) enough() error {
	o := c.options
	if o.smoke || o.full || o.soak > 0 || o.only != "" || o.faults < leastFaults {
		return nil
	}
	acknowledged, pictures, faults := c.load.Acknowledged(), c.load.Pictures(), len(c.results)
	if acknowledged < leastAcknowledged || pictures < leastPictures || faults < leastFaults {
		return fmt.Errorf("no violation, but the run did too little: %d acknowledged operations, %d pictures, %d faults (want %d, %d, %d)",
			acknowledged, pictures, faults, leastAcknowledged, leastPictures, leastFaults)
	}
	return nil
}

// sleep blocks for d. It returns early with an error when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
