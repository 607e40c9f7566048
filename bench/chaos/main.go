// Command chaos breaks everything that the service depends on, and the service
// itself, while clients use it, and decides from what they saw whether a promise
// was broken: an acknowledged write lost, a picture lost or stuck, a read older
// than the last acknowledged write, an effect doubled, an answer that never came.
//
// It runs three replicas of the real binary behind HAProxy, with PostgreSQL, Redis,
// RabbitMQ and MinIO of its own, under .local/chaos. It exits with 1 when there is
// a violation, and keeps history, logs and data then.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"vitrine/bench/cluster"
)

// options are the command-line options.
type options struct {
	smoke, full, race bool
	soak              time.Duration
	duration          time.Duration
	faults            int
	rate              float64
	clients           int
	pictures          float64
	seed              uint64
	only              string
	folder, binary    string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process at once
	}()
	if err := command(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.BoolVar(&o.smoke, "smoke", false, "a few faults in less than three minutes")
	flag.BoolVar(&o.full, "full", false, "run the whole matrix three times")
	flag.BoolVar(&o.race, "race", false, "build the service with the race detector")
	flag.DurationVar(&o.soak, "soak", 0, "run for this long with a fault every 30 s, and compare goroutines, open files and memory")
	flag.DurationVar(&o.duration, "duration", 0, "stop injecting faults after this time; zero for the mode's default")
	flag.IntVar(&o.faults, "faults", 0, "number of faults; zero for the mode's default")
	flag.Float64Var(&o.rate, "rate", 0, "maximum operations per second; zero for the mode's default")
	flag.IntVar(&o.clients, "clients", 96, "concurrent clients")
	flag.Float64Var(&o.pictures, "pictures", 0.15, "share of the creates that have pictures")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the random choices")
	flag.StringVar(&o.only, "only", "", "only the faults whose name contains this")
	flag.StringVar(&o.binary, "binary", "", "the service, with its whole path; empty builds it")
	flag.StringVar(&o.folder, "folder", filepath.Join(".local", "chaos"), "folder for data, logs and results")
	flag.Parse()
	o.complete()
	return o
}

// complete fills in the mode's defaults.
func (o *options) complete() {
	faults, duration, rate := 64, 8*time.Minute, 100.0
	switch {
	case o.smoke:
		faults, duration, rate = 11, 100*time.Second, 60
	case o.full:
		faults, duration, rate = 126, time.Hour, 80
	case o.soak > 0:
		faults, duration, rate = int(o.soak/soakInterval), o.soak, 40
	}
	if o.faults == 0 {
		o.faults = faults
	}
	if o.duration == 0 {
		o.duration = duration
	}
	if o.rate == 0 {
		o.rate = rate
	}
}

// command runs everything with the folder locked.
func command(ctx context.Context, o options) error {
	root, err := cluster.FindRoot()
	if err != nil {
		return err
	}
	folder, unlock, err := cluster.LockFolder(o.folder)
	if err != nil {
		return err
	}
	defer unlock()
	return run(ctx, o, root, folder)
}
