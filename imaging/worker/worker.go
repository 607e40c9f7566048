package worker

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/process"
)

// Config sets how a [Worker] executes jobs. A zero field means its default.
type Config struct {
	Process     process.Config
	Lease       time.Duration // of a claim, renewed after each quarter of it; 20 s
	MaxAttempts int           // attempts after which an image has failed; 5
	RetryBase   time.Duration // wait after the first transient failure, doubled each time; 2 s
	RetryCap    time.Duration // the longest such wait; 60 s
	StoreLimit  time.Duration // time for storing one object; 30 s
	// WebP names the sizes that ready images get in WebP too; none if empty.
	WebP []string
	// Reprocess is the number of reprocessing jobs that are executed at once; 1.
	Reprocess int
}

func (c Config) withDefaults() Config {
	setDefault := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	setDefault(&c.Lease, 20*time.Second)
	setDefault(&c.RetryBase, 2*time.Second)
	setDefault(&c.RetryCap, time.Minute)
	setDefault(&c.StoreLimit, 30*time.Second)
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 5
	}
	if c.Reprocess <= 0 {
		c.Reprocess = 1
	}
	return c
}

// Worker executes image jobs. One Worker serves any number of consumers, which share its
// memory budget and its CPUs. Safe for concurrent use.
type Worker struct {
	store   JobStore
	objects ObjectStore
	fetch   *fetch.Fetcher
	process *process.Processor
	cfg     Config
	log     *logrus.Logger
	hosts   *fetch.Hosts
	metrics *metrics
	// reprocess has a value for each reprocessing job that is being executed.
	reprocess chan struct{}
}

// New returns a Worker and registers its metrics, vitrine_image_*, with reg, which may be nil.
func New(store JobStore, objects ObjectStore, fetcher *fetch.Fetcher, cfg Config,
	log *logrus.Logger, reg prometheus.Registerer) *Worker {
	process := process.New(cfg.Process)
	cfg = cfg.withDefaults()
	return &Worker{
		store: store, objects: objects, fetch: fetcher, process: process,
		cfg: cfg, log: log, hosts: fetch.NewHosts(fetcher, log), metrics: newMetrics(reg, process),
		reprocess: make(chan struct{}, cfg.Reprocess),
	}
}

// Handle executes the job in a message's body and returns what the broker has to do with the
// message. It waits while the job store is unavailable. When ctx ends, Handle puts the job back
// without counting the attempt, and returns within a few seconds.
func (w *Worker) Handle(ctx context.Context, body []byte) Verdict {
	job, err := imaging.DecodeJob(body)
	if err != nil {
		w.log.WithError(err).Warn("Image job unreadable")
		return DeadLetter
	}
	log := w.log.WithFields(logrus.Fields{"image_id": job.ImageID, "request_id": job.RequestID})
	if job.Reprocess {
		select {
		case w.reprocess <- struct{}{}:
			defer func() { <-w.reprocess }()
		default:
			return w.putBack(ctx, log, job)
		}
	}
	claim, err := w.claim(ctx, log, job)
	switch {
	case errors.Is(err, imaging.ErrNothingToDo):
		log.Debug("Image job dropped: nothing to do")
		return Ack
	case err != nil: // ctx has ended
		return Leave
	}
	w.metrics.running.Inc()
	defer w.metrics.running.Dec()
	a := &attempt{
		worker: w, claim: claim, started: time.Now(), stage: imaging.StageClaim,
		log: log.WithFields(logrus.Fields{"product_id": claim.ProductID, "attempt": claim.Attempt}),
	}
	if claim.Reprocess {
		a.log = a.log.WithField("reason", claim.Reason)
	}
	return a.run(ctx)
}

// putBack returns a reprocessing job that has no permit to the outbox, so that the first
// processing of other images never waits for it.
func (w *Worker) putBack(ctx context.Context, log *logrus.Entry, job imaging.Job) Verdict {
	err := w.reach(ctx, log, func(ctx context.Context) error { return w.store.PutBack(ctx, job) })
	if err != nil { // ctx has ended
		return Leave
	}
	return Ack
}

// claim claims the image, and waits for the job store until ctx ends. The holder stays the
// same, so that the store returns a claim again whose response was lost.
func (w *Worker) claim(ctx context.Context, log *logrus.Entry, job imaging.Job) (claim imaging.Claim, err error) {
	holder := uuid.NewString()
	err = w.reach(ctx, log, func(ctx context.Context) error {
		claim, err = w.store.Claim(ctx, job, holder, w.cfg.Lease)
		return err
	})
	return claim, err
}

// storeCall bounds one call of the job store.
const storeCall = 5 * time.Second

// reach calls the job store until call succeeds or returns one of the errors that
// [JobStore] names. It returns ctx's error if ctx ends first.
func (w *Worker) reach(ctx context.Context, log *logrus.Entry, call func(context.Context) error) error {
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, storeCall)
		err := call(bounded)
		cancel()
		if err == nil || errors.Is(err, imaging.ErrNothingToDo) || errors.Is(err, imaging.ErrLeaseLost) {
			return err
		}
		if ctx.Err() == nil && n%12 == 0 { // about once a minute
			log.WithError(err).Warn("Job store unavailable")
		}
		if err := sleep(ctx, backoff(n, 200*time.Millisecond, 5*time.Second)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
