// Command fuzzapi sends valid and invalid requests, generated from the OpenAPI document
// of the service, and checks the status, headers and body of every response against the
// document. A 5xx response is a violation. It prints the number of requests, their
// statuses and the violations, and exits with 1 after a violation.
//
// It runs one replica of the real binary with its own PostgreSQL, Redis, RabbitMQ and
// MinIO, under .local/fuzzapi, and a source of pictures. Everything is on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"vitrine/bench/cluster"
	"vitrine/bench/contract/conform"
	"vitrine/bench/contract/explore"
)

type options struct {
	requests, workers int
	seed              uint64
	limit             time.Duration
	folder, binary    string
}

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 50_000, "number of requests")
	flag.IntVar(&o.workers, "workers", 8, "number of concurrent requests")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of an earlier run, to repeat its requests; 0 chooses a new one")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "time limit of the run")
	flag.StringVar(&o.binary, "binary", "", "absolute path of the service; if empty, it is built")
	flag.StringVar(&o.folder, "folder", filepath.Join(".local", "fuzzapi"), "folder for logs and data")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // so that a second Ctrl-C ends the process at once
	}()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzapi:", err)
		os.Exit(1)
	}
}

// token is the ADMIN_TOKEN of the service: with it, requests without a valid token are
// answered with a 401.
const token = "the token of fuzzapi"

func run(ctx context.Context, o options) (err error) {
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	root, err := cluster.FindRoot()
	if err != nil {
		return err
	}
	folder, unlock, err := cluster.LockFolder(o.folder)
	if err != nil {
		return err
	}
	defer unlock()
	pictures, err := serveSources()
	if err != nil {
		return err
	}
	defer pictures.Close()
	c, err := cluster.Start(ctx, cluster.Config{
		Root: root, Folder: folder, Replicas: 1, Binary: o.binary, Progress: os.Stdout,
		Env: map[string]string{
			"LOG_LEVEL": "warn", "ADMIN_TOKEN": token, "RATE_LIMIT": "0", "FETCH_ALLOW_CIDRS": "127.0.0.1/32", "FETCH_ALLOW_PORTS": pictures.port,
		},
	})
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		err = errors.Join(err, c.Close(closing, err == nil))
	}()
	if err != nil {
		return err
	}
	document, err := fetchDocument(ctx, c.URL)
	if err != nil {
		return err
	}
	fmt.Printf("sending %d requests, seed %d\n", o.requests, o.seed)
	report, err := explore.Run(ctx, explore.Config{
		URL: c.URL, Token: token, Requests: o.requests, Workers: o.workers, Limit: o.limit, Seed: o.seed, Sources: pictures.url,
	}, document)
	report.Print(os.Stdout)
	if err == nil && len(report.Violations) > 0 {
		err = fmt.Errorf("%d violations; logs: %s", len(report.Violations), filepath.Join(folder, "log"))
	}
	return err
}

// fetchDocument returns the OpenAPI document that the service serves.
func fetchDocument(ctx context.Context, url string) (*conform.Contract, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return conform.New(text)
}
