// Command freshness counts stale reads where nothing is broken: it changes a
// product through one replica and reads it from another right after the
// acknowledgement, as often and as fast as the machine allows. One write that was
// acknowledged and the read after it are a pair; a read that shows less than the
// write is stale. It exits with 1 when there is one.
//
// It runs three replicas of the real binary with PostgreSQL, Redis, RabbitMQ and
// MinIO of their own, under .local/freshness.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"vitrine/bench/cluster"
)

type options struct {
	pairs, clients, products int
	noise                    float64
	folder, binary           string
}

func main() {
	var o options
	flag.IntVar(&o.pairs, "pairs", 1_000_000, "number of pairs")
	flag.IntVar(&o.clients, "clients", 32, "concurrent clients")
	flag.IntVar(&o.products, "products", 8, "products of each client")
	flag.Float64Var(&o.noise, "noise", 0.2, "share of the writes during which the third replica reads the product too")
	flag.StringVar(&o.binary, "binary", "", "the service, with its whole path; empty builds it")
	flag.StringVar(&o.folder, "folder", filepath.Join(".local", "freshness"), "folder for data and logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process at once
	}()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "freshness:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	root, err := cluster.FindRoot()
	if err != nil {
		return err
	}
	folder, unlock, err := cluster.LockFolder(o.folder)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := cluster.Start(ctx, cluster.Config{
		Root: root, Folder: folder, Replicas: 3, Binary: o.binary, Progress: os.Stdout,
		Env: map[string]string{"LOG_LEVEL": "warn"},
	})
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		err = errors.Join(err, c.Close(closing, err == nil))
	}()
	if err != nil {
		return err
	}
	p := newPairs(o, c.Replicas)
	err = p.run(ctx)
	p.print()
	switch {
	case err != nil:
		return err
	case p.stale.Load() > 0:
		return fmt.Errorf("%d stale reads", p.stale.Load())
	}
	return nil
}
