// Command freshness counts stale reads while nothing is broken. It changes a product
// through one replica and reads it from another right after the acknowledgement, as often
// as the machine allows. An acknowledged write and the read after it are a pair; a read
// that returns an older version than the write is stale. It exits with 1 after a stale
// read.
//
// It runs three replicas of the real binary with their own PostgreSQL, Redis, RabbitMQ
// and MinIO, under .local/freshness.
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
	flag.IntVar(&o.clients, "clients", 32, "number of concurrent clients")
	flag.IntVar(&o.products, "products", 8, "number of products per client")
	flag.Float64Var(&o.noise, "noise", 0.2, "fraction of the writes during which the third replica reads the product too")
	flag.StringVar(&o.binary, "binary", "", "absolute path of the service; if empty, it is built")
	flag.StringVar(&o.folder, "folder", filepath.Join(".local", "freshness"), "folder for logs and data")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // so that a second Ctrl-C ends the process at once
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
