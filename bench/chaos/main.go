// Command chaos breaks the service and everything it depends on while clients use it.
// From what the clients saw it decides whether a promise was broken: an acknowledged
// write lost, an image lost or stuck, a read older than the last acknowledged write,
// an effect doubled, a request without a response.
//
// It runs three replicas of the real binary behind HAProxy, with its own PostgreSQL,
// Redis, RabbitMQ and MinIO, under .local/chaos. After a violation it exits with 1 and
// keeps the history, the logs and the data. Begin reading at run.go.
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

// options are the options of the command line.
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
		stop() // so that a second Ctrl-C ends the process at once
	}()
	if err := command(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.BoolVar(&o.smoke, "smoke", false, "inject a few faults in less than three minutes")
	flag.BoolVar(&o.full, "full", false, "inject every fault three times")
	flag.BoolVar(&o.race, "race", false, "build the service with the race detector")
	flag.DurationVar(&o.soak, "soak", 0, "run for this time with a fault every 30 s, and compare goroutines, open files and memory")
	flag.DurationVar(&o.duration, "duration", 0, "inject no more faults after this time; zero for the default of the mode")
	flag.IntVar(&o.faults, "faults", 0, "number of faults; zero for the default of the mode")
	flag.Float64Var(&o.rate, "rate", 0, "maximum operations per second; zero for the default of the mode")
	flag.IntVar(&o.clients, "clients", 96, "number of concurrent clients")
	flag.Float64Var(&o.pictures, "pictures", 0.15, "fraction of the creates that have pictures")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the random choices")
	flag.StringVar(&o.only, "only", "", "inject only faults whose name contains this text")
	flag.StringVar(&o.binary, "binary", "", "absolute path of the service; if empty, it is built")
	flag.StringVar(&o.folder, "folder", filepath.Join(".local", "chaos"), "folder for the history, logs and data")
	flag.Parse()
	o.complete()
	return o
}

// complete fills in the defaults of the mode.
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

// command locks the folder and runs everything.
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
