// Vitrine is a product catalogue service that processes the images of its products in the
// background. See README.md, and docs/architecture.md for the packages wired here.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"vitrine/cache"
	"vitrine/config"
	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/process"
	"vitrine/imaging/worker"
	"vitrine/product/account"
	"vitrine/product/catalogue"
	"vitrine/product/deadletter"
	"vitrine/product/event"
	"vitrine/product/job"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
	"vitrine/product/upload"
	"vitrine/product/web"
	"vitrine/product/web/admission"
	"vitrine/product/web/health"
	"vitrine/queue"
	"vitrine/storage"
)

//go:embed schema.sql
var schema string

// version is set by the linker.
var version = "development"

// The parts of a stop. Together they end before the 20 s that a container usually gets.
const (
	requestGrace = 8 * time.Second  // for requests under way, after DRAIN_DELAY
	jobGrace     = 12 * time.Second // for jobs under way; then they are handed back
	exitDeadline = 19 * time.Second // for everything; then the process exits
)

const usage = `usage: vitrine              run the service
       vitrine config        print the effective settings, secrets masked
       vitrine variables     print the table of all settings
       vitrine reprocess     reprocess images whose sizes, formats or quality are out of date; -all: every image
       vitrine healthcheck   exit with status 0 if the service on this machine is alive
       vitrine version       print the version
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vitrine:", err)
		os.Exit(1)
	}
}

// command runs the command that args name, or the service if there are none.
func command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("vitrine", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch flags.Arg(0) {
	case "version":
		_, err := fmt.Fprintln(stdout, version)
		return err
	case "variables":
		return config.PrintTable(stdout)
	}
	memory := config.ContainerMemory()
	cfg, err := config.Load(os.Environ(), ".env", memory)
	if err != nil {
		return fmt.Errorf("invalid configuration:\n%w", err)
	}
	switch flags.Arg(0) {
	case "":
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(cfg.MemoryGoal(memory))
		}
		return run(ctx, cfg, newLogger(cfg.LogLevel, stdout))
	case "config":
		return cfg.Print(stdout)
	case "healthcheck":
		return web.Probe(ctx, cfg.HTTPAddr)
	case "reprocess":
		return reprocess(ctx, cfg, flags.Args()[1:], stdout)
	default:
		flags.Usage()
		return fmt.Errorf("unknown command %q", flags.Arg(0))
	}
}

// reprocess has ready images reprocessed by the service's replicas, in the background. It
// needs only the database, and may be interrupted and repeated: an image is not asked for
// twice.
func reprocess(ctx context.Context, cfg config.Config, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("vitrine reprocess", flag.ContinueOnError)
	all := flags.Bool("all", false, "reprocess every ready image, checking whether its source has changed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reprocess: unknown argument %q", flags.Arg(0))
	}
	db, err := postgres.Open(postgres.Config{DSN: cfg.DatabaseURL, MaxOpen: 2})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer func() { _ = db.Close() }()
	current := imaging.PipelineVersion(cfg.SSIMTarget, cfg.WebP())
	if *all {
		current = ""
	}
	total := 0
	err = job.ReprocessAll(ctx, db, current, func(n int) { total = n })
	switch {
	case errors.Is(err, context.Canceled):
		_, err = fmt.Fprintf(stdout, "interrupted: %d images will be reprocessed; run the command again to continue\n", total)
	case err == nil:
		_, err = fmt.Fprintf(stdout, "%d images will be reprocessed\n", total)
	}
	return err
}

func newLogger(level string, out io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	if parsed, err := logrus.ParseLevel(level); err == nil { // config has checked it
		log.SetLevel(parsed)
	}
	return log
}

// run serves until ctx ends or a part fails, and then stops in good order. It starts
// without its dependencies; only its own addresses must be free.
func run(ctx context.Context, cfg config.Config, log *logrus.Logger) error {
	a := &app{cfg: cfg, log: log, reg: prometheus.NewRegistry(), stopping: make(chan struct{})}
	defer a.close()
	if err := a.connect(); err != nil {
		return err
	}
	if err := a.wire(ctx); err != nil {
		return err
	}
	failed := a.start() // the parts outlive ctx: stop ends them in order
	log.WithFields(logrus.Fields{
		"version": version, "addr": a.api.Addr, "admin_addr": a.adminAddr(), "workers": cfg.Workers,
	}).Info("Listening")
	select {
	case <-ctx.Done():
	case <-failed:
	}
	return a.stop() //nolint:contextcheck // ctx has ended: the stop has a deadline of its own
}

// app is the parts of the process.
type app struct {
	cfg config.Config
	log *logrus.Logger
	reg *prometheus.Registry

	db      *postgres.DB
	outbox  *outbox.Store
	cache   *cache.Cache
	objects *storage.Store
	broker  *queue.Broker
	closers []func() // of what has been opened; called last to first

	api, admin *admission.Endpoint           // admin is nil if ADMIN_ADDR is off
	upkeep     []func(context.Context) error // what runs once the schema is applied

	background, consumers group
	migrated, draining    atomic.Bool
	stopping              chan struct{} // closed with draining
}

// connect makes the clients of the servers. None of them needs its server yet.
func (a *app) connect() (err error) {
	cfg := a.cfg
	if a.db, err = postgres.Open(postgres.Config{DSN: cfg.DatabaseURL, MaxOpen: cfg.DBMaxConns}); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	a.closers = append(a.closers, func() { _ = a.db.Close() })
	a.outbox = outbox.New(a.db)
	a.cache, err = cache.New(cache.Config{
		URL: cfg.RedisURL, Registerer: a.reg,
		Settled: func(ctx context.Context) (bool, error) {
			pending, err := a.outbox.PendingInvalidations(ctx)
			return !pending, err
		},
	}, a.log)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	a.closers = append(a.closers, a.cache.Close)
	a.objects, err = storage.New(storage.Config{
		Endpoint: cfg.S3Endpoint, Region: cfg.AWSRegion, Bucket: cfg.S3Bucket, AccessKey: cfg.AWSAccessKey,
		SecretKey: cfg.AWSSecretKey, PublicURL: cfg.S3PublicURL, UploadURL: cfg.S3UploadURL,
		Unmanaged: !cfg.S3ManageBucket, Connections: cfg.Workers,
	})
	if err != nil {
		return fmt.Errorf("S3_ENDPOINT: %w", err)
	}
	broker := queue.Config{URLs: cfg.RabbitMQURLs, Prefix: cfg.QueuePrefix, Workers: cfg.Handlers()}
	if err := broker.Validate(); err != nil {
		return fmt.Errorf("RABBITMQ_URL: %w", err)
	}
	a.broker = queue.New(broker, a.log)
	return nil
}

// wire builds the services on the clients, and takes the addresses.
func (a *app) wire(ctx context.Context) error {
	events := event.NewLog(a.db)
	products := catalogue.New(a.db, a.outbox, events, a.cache, a.objects.URL, a.log)
	jobs := job.New(a.db, products, a.outbox.Free)
	services := web.Services{
		Catalogue: products, Events: events, Jobs: jobs,
		Accounts:    account.New(a.db, a.outbox, a.cache, a.log),
		DeadLetters: deadletter.New(a.db, products, a.log),
	}
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		a.db.Collector(), a.outbox.Collector(), events.Collector())
	a.consume(jobs, services.DeadLetters)
	a.maintain(events, jobs, services)
	return a.serve(ctx, services)
}

// verdicts says what the broker does with the message of an image job.
var verdicts = map[worker.Verdict]queue.Verdict{
	worker.Ack: queue.Ack, worker.DeadLetter: queue.Reject, worker.Leave: queue.Leave,
}

// consume handles the messages of the queues.
func (a *app) consume(jobs *job.Store, dead *deadletter.Service) {
	cfg := a.cfg
	fetcher := fetch.New(fetch.Config{
		Timeout: cfg.FetchTimeout, MaxBytes: int64(cfg.FetchMaxBytes), AllowCIDRs: cfg.FetchAllowCIDRs, AllowPorts: cfg.AllowedPorts(),
		RootCAs: cfg.FetchCAs.Pool, HostConnections: cfg.FetchPerHost,
	})
	a.closers = append(a.closers, fetcher.Close)
	images := worker.New(jobs, a.objects, fetcher, worker.Config{
		MaxAttempts: cfg.MaxAttempts, WebP: cfg.WebP(), Reprocess: config.Reprocessing,
		Process: process.Config{
			Limits:       process.Limits{MaxPixels: int64(cfg.MaxPixels), MaxSide: cfg.MaxSide},
			MemoryBudget: int64(cfg.MemBudget), DecodeTimeout: cfg.DecodeTimeout, SSIMTarget: cfg.SSIMTarget,
		},
	}, a.log, a.reg)
	a.broker.Handle(func(ctx context.Context, d queue.Delivery) queue.Verdict {
		return verdicts[images.Handle(ctx, d.Body)]
	})
	if cfg.Workers == 0 {
		return
	}
	a.broker.HandleDead(func(ctx context.Context, d queue.Delivery) queue.Verdict {
		if err := dead.File(ctx, d.Body, d.Reason); err != nil { // it stays in the queue
			a.log.WithError(err).WithField("message_id", d.MessageID).Warn("Dead letter could not be filed, left in the queue")
			return queue.Leave
		}
		return queue.Ack
	})
}

// maintain collects what runs beside the API and the consumers.
func (a *app) maintain(events *event.Log, jobs *job.Store, services web.Services) {
	listener := postgres.NewListener(a.cfg.DatabaseURL, a.log)
	due := func(kind outbox.Kind) <-chan struct{} { return listener.Wake(outbox.Channel, string(kind)) }
	limits := outbox.Limits{PerOwner: a.cfg.OwnerJobs, Waiting: 2 * a.cfg.Workers, Reprocess: config.Reprocessing}
	a.upkeep = []func(context.Context) error{
		listener.Run,
		outbox.NewJobRelay(a.outbox, a.broker, limits, due(outbox.KindImageJob), a.log).Run,
		outbox.NewInvalidationRelay(a.outbox, a.cache, due(outbox.KindInvalidate), a.log).Run,
		maintenance.NewDeletionRelay(a.db, a.outbox, jobs, a.objects, due(outbox.KindDeleteObjects), a.log).Run,
		maintenance.NewReconciler(a.db, maintenance.Steps(a.broker), a.log).Run,
		event.NewSequencer(events, a.log).Run,
		event.NewTailer(events, listener.Wake(event.Channel, ""), a.log).Run,
		deadletter.NewReplayer(services.DeadLetters).Run,
		account.NewKeyUse(services.Accounts, time.Minute, a.log).Run,
		// A wrong setting shows at the start, not with the first image.
		func(ctx context.Context) error {
			return postgres.Persist(ctx, a.log, "Bucket is not ready", a.objects.Ensure)
		},
	}
	if a.cfg.S3Sweep {
		a.upkeep = append(a.upkeep, maintenance.NewSweeper(a.db, jobs, a.objects, maintenance.SweepConfig{}, a.log).Run)
	}
}

// serve builds the HTTP servers and takes their addresses.
func (a *app) serve(ctx context.Context, services web.Services) (err error) {
	cfg := a.cfg
	api := web.New(web.Config{
		AdminToken: cfg.AdminToken,
		Uploads:    upload.New(a.db, a.objects, int64(cfg.FetchMaxBytes)),
		Draining:   a.draining.Load, Stopping: a.stopping, EventStreams: cfg.EventStreams,
		Limits: admission.Limits{
			PerKey: cfg.RateLimit, PerAddress: cfg.RateLimitAddress, Counter: a.cache, Prefix: cfg.Installation() + ":",
			TrustedProxies: cfg.TrustedProxies, ProxyHeader: cfg.ProxyHeader, MaxRequests: cfg.MaxRequests,
		},
		Checks: []health.Check{
			{Name: "postgresql", Required: true, Check: a.checkDatabase},
			{Name: "redis", Check: a.cache.Check},
			{Name: "rabbitmq", Check: a.broker.Check},
			{Name: "s3", Check: a.objects.Check},
		},
	}, services, a.log, a.reg)
	if a.api, err = admission.Listen(ctx, cfg.HTTPAddr, api, a.log); err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
	a.closers = append(a.closers, func() { _ = a.api.Close() })
	if !cfg.ServesAdmin() {
		return nil
	}
	if a.admin, err = admission.Listen(ctx, cfg.AdminAddr, web.NewAdmin(a.reg), a.log); err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	a.closers = append(a.closers, func() { _ = a.admin.Close() })
	a.admin.WriteTimeout = 5 * time.Minute // a profile takes as long as it was asked for
	return nil
}

// adminAddr returns the address of the admin server, or the setting that switches it off.
func (a *app) adminAddr() string {
	if a.admin == nil {
		return a.cfg.AdminAddr
	}
	return a.admin.Addr
}

// checkDatabase also waits for the schema: without it no request can succeed.
func (a *app) checkDatabase(ctx context.Context) error {
	if !a.migrated.Load() {
		return errors.New("the schema has not been applied yet")
	}
	return a.db.Check(ctx)
}

// group is parts that run until they are stopped together.
type group struct {
	errgroup.Group
	ctx context.Context
	end context.CancelFunc
}

// start starts the servers at once, and what needs the tables when they are there. The
// channel that it returns is closed when a part fails.
func (a *app) start() (failed <-chan struct{}) {
	alive, fail := context.WithCancel(context.Background())
	run := func(g *group, parts ...func(context.Context) error) {
		for _, part := range parts {
			g.Go(func() error {
				err := part(g.ctx)
				if err != nil {
					fail()
				}
				return err
			})
		}
	}
	for _, g := range []*group{&a.background, &a.consumers} {
		g.ctx, g.end = context.WithCancel(context.Background())
	}
	run(&a.background, a.api.Run, a.cache.Run, func(ctx context.Context) error {
		migrate := func(ctx context.Context) error { return postgres.Migrate(ctx, a.cfg.DatabaseURL, schema) }
		if err := postgres.Persist(ctx, a.log, "Schema is not applied", migrate); err != nil || ctx.Err() != nil {
			return err
		}
		a.migrated.Store(true)
		run(&a.background, a.upkeep...)
		run(&a.consumers, a.broker.Run)
		return nil
	})
	if a.admin != nil {
		run(&a.background, a.admin.Run)
	}
	return alive.Done()
}

// stop ends everything in order: first what brings new work, then what finishes it. It
// returns the error of a part that failed.
func (a *app) stop() error {
	a.log.Info("Stopping")
	a.draining.Store(true)
	close(a.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), exitDeadline)
	defer cancel()
	var work errgroup.Group
	work.Go(func() error { return a.api.Drain(ctx, a.cfg.DrainDelay, requestGrace) })
	work.Go(func() error {
		ctx, cancel := context.WithTimeout(ctx, jobGrace)
		defer cancel()
		if err := a.broker.Drain(ctx); err != nil {
			a.log.WithError(err).Warn("Jobs did not finish in time, handed back")
		}
		return nil
	})
	err := work.Wait()
	if a.admin != nil {
		_ = a.admin.Close() // nobody waits for metrics any more
	}
	ended := make(chan error, 1)
	go func() { // the broker outlives the relays, which may be publishing
		a.background.end()
		err := a.background.Wait()
		a.consumers.end()
		ended <- errors.Join(err, a.consumers.Wait())
	}()
	select {
	case failure := <-ended:
		err = errors.Join(failure, err)
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("not everything stopped in time: %w", ctx.Err()))
	}
	a.log.Info("Stopped")
	return err
}

// close closes what connect and wire have opened, which may be a part of it.
func (a *app) close() {
	for _, end := range slices.Backward(a.closers) {
		end()
	}
}
