// Command fuzzapi calls the whole program with requests that it makes of the
// program's own OpenAPI document, valid and invalid ones, and holds every answer to
// the document: status, headers, body. Nothing may be answered 5xx. It reports how
// many requests there were, with which statuses and violations, and exits with 1
// when there is a violation.
//
// It runs one replica of the real binary with PostgreSQL, Redis, RabbitMQ and MinIO
// of their own, under .local/fuzzapi, and a source of pictures beside it. Everything
// is on loopback.
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
	flag.IntVar(&o.requests, "requests", 50_000, "how many requests")
	flag.IntVar(&o.workers, "workers", 8, "requests at once")
	flag.Uint64Var(&o.seed, "seed", 0, "of an earlier run, to make its requests again; 0 is another one each time")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "the longest that it may take")
	flag.StringVar(&o.binary, "binary", "", "the service, with its whole path; empty builds it")
	flag.StringVar(&o.folder, "folder", filepath.Join(".local", "fuzzapi"), "where everything is kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process at once
	}()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzapi:", err)
		os.Exit(1)
	}
}

// token is the service's: a run is to meet 401 too.
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
		err = fmt.Errorf("%d violations; see also %s", len(report.Violations), filepath.Join(folder, "log"))
	}
	return err
}

// fetchDocument reads the contract as a client would.
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
