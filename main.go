// Vitrine is a product catalogue service that processes the products' pictures in
// the background. See README.md.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

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

// The parts of a stop. Together they end before the 20 s that a container is
// usually given.
const (
	requestGrace = 8 * time.Second  // for requests under way, after the drain delay
	jobGrace     = 12 * time.Second // for jobs under way; then they are handed back
	exitDeadline = 19 * time.Second // for everything; then the process ends anyhow
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vitrine:", err)
		os.Exit(1)
	}
}

// command runs what the arguments name: the service when there are none.
func command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("vitrine", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), `usage: vitrine              run the service
       vitrine config        print the effective settings, secrets masked
       vitrine variables     print the table of all settings
       vitrine reprocess     have pictures made anew whose sizes, formats or qualities are not today's; -all for every one
       vitrine healthcheck   exit 0 if the service on this machine is alive
       vitrine version       print the version
`)
	}
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
		return fmt.Errorf("bad configuration:\n%w", err)
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

func newLogger(level string, out io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	if parsed, err := logrus.ParseLevel(level); err == nil { // config has checked it
		log.SetLevel(parsed)
	}
	return log
}

// run is the service: it serves until ctx ends, and then stops in good order. The
// dependencies need not be there; only its own addresses must be free.
func run(ctx context.Context, cfg config.Config, log *logrus.Logger) error {
	a, err := newApp(cfg, log)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.listen(ctx); err != nil {
		return err
	}
	a.start()
	log.WithFields(logrus.Fields{
		"version": version, "addr": a.api.Addr, "admin_addr": a.admin.Addr, "workers": cfg.Workers,
	}).Info("Listening")
	select {
	case <-ctx.Done():
	case err = <-a.broken:
	}
	return errors.Join(err, a.stop()) //nolint:contextcheck // ctx has ended: the stop has a deadline of its own
}

// reprocess is the command that has ready pictures made anew by the service's
// replicas, in the background. It needs the database alone, and may be broken off
// and repeated: what was asked for is not asked for twice.
func reprocess(ctx context.Context, cfg config.Config, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("vitrine reprocess", flag.ContinueOnError)
	all := flags.Bool("all", false, "every ready picture: its source is asked whether it has changed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reprocess: %q is not an argument", flags.Arg(0))
	}
	store, err := postgres.Open(postgres.Config{DSN: cfg.DatabaseURL, MaxOpen: 2})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer func() { _ = store.Close() }()
	current := imaging.PipelineVersion(cfg.Likeness, cfg.WebPSizes)
	if *all {
		current = ""
	}
	total := 0
	err = job.ReprocessAll(ctx, store, current, func(n int) { total = n })
	switch {
	case errors.Is(err, context.Canceled):
		_, err = fmt.Fprintf(stdout, "broken off: %d pictures will be reprocessed, the next call goes on\n", total)
	case err == nil:
		_, err = fmt.Fprintf(stdout, "%d pictures will be reprocessed\n", total)
	}
	return err
}

// app is all parts of the process.
type app struct {
	cfg    config.Config
	log    *logrus.Logger
	store  *postgres.DB
	cache  *cache.Cache
	broker *queue.Broker
	fetch  *fetch.Fetcher
	// upkeep is what runs beside the API and the workers once the schema is there.
	upkeep []func(context.Context) error

	api, admin               *http.Server
	apiListener, admListener net.Listener

	draining, migrated atomic.Bool
	stopping           chan struct{} // closed with draining
	broken             chan error    // the error of a part that ended uninvited

	background, consumers group
}

// newApp builds and connects the parts. Nothing runs yet.
func newApp(cfg config.Config, log *logrus.Logger) (*app, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	store, err := postgres.Open(postgres.Config{DSN: cfg.DatabaseURL, MaxOpen: cfg.DBMaxConns})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	box, events := outbox.New(store), event.NewLog(store)
	reg.MustRegister(store.Collector(), box.Collector(), events.Collector())
	redis, err := cache.New(cache.Config{
		URL: cfg.RedisURL, Registerer: reg,
		Settled: func(ctx context.Context) (bool, error) {
			pending, err := box.PendingInvalidations(ctx)
			return !pending, err
		},
	}, log)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	objects, err := storage.New(storage.Config{
		Endpoint: cfg.S3Endpoint, Region: cfg.AWSRegion, Bucket: cfg.S3Bucket, AccessKey: cfg.AWSAccessKey,
		SecretKey: cfg.AWSSecretKey, PublicURL: cfg.S3PublicURL, UploadURL: cfg.S3UploadURL, Unmanaged: !cfg.S3ManageBucket, Connections: cfg.Workers,
	})
	if err != nil {
		return nil, fmt.Errorf("S3_ENDPOINT: %w", err)
	}
	brokerConfig := queue.Config{URLs: cfg.RabbitMQURLs, Prefix: cfg.QueuePrefix, Workers: handlers(cfg)}
	if err := brokerConfig.Validate(); err != nil {
		return nil, fmt.Errorf("RABBITMQ_URL: %w", err)
	}
	broker := queue.New(brokerConfig, log)
	catalogue := catalogue.New(store, box, events, redis, objects.URL, log)
	accounts := account.New(store, box, redis, log)
	jobs := job.New(store, catalogue, box.Free)
	letters := deadletter.New(store, catalogue, log)
	a := &app{
		cfg: cfg, log: log, store: store, cache: redis, broker: broker,
		fetch:    fetch.New(fetchConfig(cfg)),
		stopping: make(chan struct{}), broken: make(chan error, 1),
	}

	worker := worker.New(jobs, objects, a.fetch, workerConfig(cfg), log, reg)
	broker.Handle(func(ctx context.Context, d queue.Delivery) queue.Verdict {
		return verdicts[worker.Handle(ctx, d.Body)]
	})
	listener := postgres.NewListener(cfg.DatabaseURL, log)
	if cfg.Workers > 0 {
		broker.HandleDead(fileDeadLetters(letters, log))
	}
	a.upkeep = []func(context.Context) error{
		listener.Run,
		outbox.NewJobRelay(box, broker, outbox.Limits{PerOwner: cfg.OwnerJobs, Waiting: 2 * cfg.Workers, Reprocess: reprocessing},
			listener.Wake(outbox.Channel, string(outbox.KindImageJob)), log).Run,
		maintenance.NewDeletionRelay(store, box, jobs, objects, listener.Wake(outbox.Channel, string(outbox.KindDeleteObjects)), log).Run,
		outbox.NewInvalidationRelay(box, redis, listener.Wake(outbox.Channel, string(outbox.KindInvalidate)), log).Run,
		event.NewSequencer(events, log).Run,
		event.NewTailer(events, listener.Wake(event.Channel, ""), log).Run,
		maintenance.NewReconciler(store, maintenance.Steps(broker), log).Run,
		deadletter.NewReplayer(letters).Run,
		account.NewKeyUse(accounts, time.Minute, log).Run,
		func(ctx context.Context) error { return prepareBucket(ctx, objects, log) },
	}
	if cfg.S3Sweep {
		a.upkeep = append(a.upkeep, maintenance.NewSweeper(store, jobs, objects, maintenance.SweepConfig{}, log).Run)
	}

	a.api = admission.NewServer(cfg.HTTPAddr, web.New(web.Config{
		AdminToken: cfg.AdminToken,
		Uploads:    upload.New(store, objects, int64(cfg.FetchMaxBytes)),
		Draining:   a.draining.Load, Stopping: a.stopping, EventStreams: cfg.EventStreams,
		Limits: admission.Limits{
			PerKey: cfg.RateLimit, PerAddress: cfg.RateLimitAddress, Counter: redis, Prefix: cfg.Installation() + ":",
			TrustedProxies: cfg.TrustedProxies, ProxyHeader: cfg.ProxyHeader, MaxRequests: cfg.MaxRequests,
		},
		Checks: []health.Check{
			{Name: "postgresql", Required: true, Check: a.checkDatabase},
			{Name: "redis", Check: redis.Check},
			{Name: "rabbitmq", Check: broker.Check},
			{Name: "s3", Check: objects.Check},
		},
	}, web.Services{Catalogue: catalogue, Accounts: accounts, Events: events, Jobs: jobs, DeadLetters: letters}, log, reg), log)
	a.admin = admission.NewServer(cfg.AdminAddr, web.NewAdmin(reg), log)
	a.admin.WriteTimeout = 5 * time.Minute // a profile takes as long as it was asked for
	return a, nil
}

func fetchConfig(cfg config.Config) fetch.Config {
	ports := make([]int, len(cfg.FetchAllowPorts))
	for i, p := range cfg.FetchAllowPorts {
		ports[i] = int(p)
	}
	return fetch.Config{
		Timeout: cfg.FetchTimeout, MaxBytes: int64(cfg.FetchMaxBytes), AllowCIDRs: cfg.FetchAllowCIDRs, AllowPorts: ports,
		RootCAs: cfg.FetchCAs.Pool, HostConnections: cfg.FetchPerHost,
	}
}

func workerConfig(cfg config.Config) worker.Config {
	return worker.Config{
		MaxAttempts: cfg.MaxAttempts, WebP: cfg.WebPSizes, Reprocess: reprocessing, // "off" is the name of no size
		Process: process.Config{
			Limits:       process.Limits{MaxPixels: int64(cfg.MaxPixels), MaxSide: cfg.MaxSide},
			MemoryBudget: int64(cfg.MemBudget), DecodeTimeout: cfg.DecodeTimeout, SSIMTarget: cfg.Likeness,
		},
	}
}

// reprocessing is how many ready images this process reprocesses at once.
const reprocessing = 1

// handlers returns how many messages of the queue are handled at once. Reprocessing has
// handlers of its own, so that the first processing of images never waits for it.
func handlers(cfg config.Config) int {
	if cfg.Workers == 0 {
		return 0
	}
	return cfg.Workers + reprocessing
}

var verdicts = map[worker.Verdict]queue.Verdict{
	worker.Ack: queue.Ack, worker.DeadLetter: queue.Reject, worker.Leave: queue.Leave,
}

// fileDeadLetters gives the handler of the dead-letter queue. What cannot be
// filed now stays in the queue.
func fileDeadLetters(dead *deadletter.Service, log *logrus.Logger) queue.Handler {
	return func(ctx context.Context, d queue.Delivery) queue.Verdict {
		if err := dead.File(ctx, d.Body, d.Reason); err != nil {
			log.WithError(err).WithField("message_id", d.MessageID).Warn("Dead letter not filed yet")
			return queue.Leave
		}
		return queue.Ack
	}
}

// prepareBucket makes the bucket ready, now or whenever S3 can be reached, so
// that a wrong setting shows at the start and not with the first picture.
func prepareBucket(ctx context.Context, objects *storage.Store, log *logrus.Logger) error {
	return persist(ctx, log, "Bucket is not ready", objects.Ensure)
}

// persist calls f until it succeeds or ctx ends, with pauses of up to 10 s.
func persist(ctx context.Context, log *logrus.Logger, trouble string, f func(context.Context) error) error {
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := f(ctx)
		if err == nil {
			return nil
		}
		log.WithError(err).Warn(trouble)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// checkDatabase also waits for the schema: without it no request can succeed.
func (a *app) checkDatabase(ctx context.Context) error {
	if !a.migrated.Load() {
		return errors.New("the schema has not been applied yet")
	}
	return a.store.Check(ctx)
}

// listen takes the addresses, so that a taken one is an error at the start. The
// servers' Addr tell the ports that ":0" became.
func (a *app) listen(ctx context.Context) (err error) {
	var lc net.ListenConfig
	if a.apiListener, err = lc.Listen(ctx, "tcp", a.cfg.HTTPAddr); err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
	a.api.Addr = a.apiListener.Addr().String()
	if a.cfg.AdminAddr == "off" {
		return nil
	}
	if a.admListener, err = lc.Listen(ctx, "tcp", a.cfg.AdminAddr); err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	a.admin.Addr = a.admListener.Addr().String()
	return nil
}

// start sets everything going: the servers at once, what needs the tables as
// soon as they are there.
func (a *app) start() {
	for _, g := range []*group{&a.background, &a.consumers} {
		g.init(a.broken)
	}
	serve := func(server *http.Server, l net.Listener) {
		a.background.run(func(context.Context) error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	serve(a.api, a.apiListener)
	if a.admListener != nil {
		serve(a.admin, a.admListener)
	}
	a.background.run(a.cache.Run)
	a.background.run(func(ctx context.Context) error {
		if err := persist(ctx, a.log, "Schema is not applied", func(ctx context.Context) error {
			return postgres.Migrate(ctx, a.cfg.DatabaseURL, schema)
		}); err != nil || ctx.Err() != nil {
			return err
		}
		a.migrated.Store(true)
		for _, f := range a.upkeep {
			a.background.run(f)
		}
		a.consumers.run(a.broker.Run)
		return nil
	})
}

// stop ends everything in good order: first what brings new work, then what
// finishes it, then the connections.
func (a *app) stop() error {
	a.log.Info("Stopping")
	a.draining.Store(true)
	close(a.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), exitDeadline)
	defer cancel()
	var requests, jobs error
	var both sync.WaitGroup
	both.Go(func() { requests = a.stopServing(ctx) })
	both.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, jobGrace)
		defer cancel()
		if err := a.broker.Drain(ctx); err != nil {
			a.log.WithError(err).Warn("Jobs handed back")
		}
	})
	both.Wait()
	// The broker outlives the relays, which may be publishing.
	for _, g := range []*group{&a.background, &a.consumers} {
		if jobs == nil {
			jobs = g.stop(ctx)
		}
	}
	a.log.Info("Stopped")
	return errors.Join(requests, jobs)
}

func (a *app) stopServing(ctx context.Context) error {
	select {
	case <-time.After(a.cfg.DrainDelay):
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, requestGrace)
	defer cancel()
	err := a.api.Shutdown(ctx)
	if err != nil {
		_ = a.api.Close() // the connections that Shutdown waited for
		err = fmt.Errorf("requests were cut off: %w", err)
	}
	return errors.Join(err, a.admin.Close())
}

func (a *app) close() {
	for _, l := range []net.Listener{a.apiListener, a.admListener} {
		if l != nil {
			_ = l.Close() // closed already by an orderly stop
		}
	}
	a.fetch.Close()
	a.cache.Close()
	_ = a.store.Close()
}

// group is parts that run until they are stopped together.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	broken chan<- error
	parts  sync.WaitGroup
}

func (g *group) init(broken chan<- error) {
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.broken = broken
}

// run starts a part. Its error, if it is the first, ends the process.
func (g *group) run(part func(context.Context) error) {
	g.parts.Go(func() {
		if err := part(g.ctx); err != nil {
			select {
			case g.broken <- err:
			default:
			}
		}
	})
}

// stop ends the parts and waits for them until ctx ends.
func (g *group) stop(ctx context.Context) error {
	g.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.parts.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not everything stopped in time: %w", ctx.Err())
	}
}
