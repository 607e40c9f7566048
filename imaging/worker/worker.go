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

// Config sets how a [Worker] goes about its jobs. The zero value of a field
// stands for its default.
type Config struct {
	Process     process.Config
	Lease       time.Duration // of a claim, renewed four times as often; 20 s
	MaxAttempts int           // attempts until an image that fails every time is given up; 5
	RetryBase   time.Duration // wait after the first transient failure, doubled each time; 2 s
	RetryCap    time.Duration // the longest such wait; 60 s
	StoreLimit  time.Duration // for storing one object; 30 s
	// WebP names the sizes that ready images get as WebP too; none if empty.
	WebP []string
	// Reprocess is how many reprocessing jobs are worked on at once; 1.
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

// Worker does image jobs. One Worker serves any number of consumers: its memory
// budget and its share of the CPUs are for all of them together. Safe for
// concurrent use.
type Worker struct {
	store   JobStore
	objects ObjectStore
	fetch   *fetch.Fetcher
	process *process.Processor
	cfg     Config
	log     *logrus.Logger
	hosts   *fetch.Hosts
	metrics *metrics
	// reprocess holds a permit of each reprocessing job at work.
	reprocess chan struct{}
}

// New makes a Worker and registers its metrics, vitrine_image_*, with reg,
// which may be nil.
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

// Handle executes the job in a message's body and returns what becomes of the message.
// It waits while the job store is unavailable. When ctx ends it hands the job back
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
		log.Debug("Image job dropped, nothing to do")
		return Ack
	case err != nil: // ctx has ended
		return Leave
	}
	w.metrics.running.Inc()
	defer w.metrics.running.Dec()
	t := &attempt{
		worker: w, claim: claim, started: time.Now(), stage: imaging.StageClaim,
		log: log.WithFields(logrus.Fields{"product_id": claim.ProductID, "attempt": claim.Attempt}),
	}
	if claim.Reprocess {
		t.log = t.log.WithField("reason", claim.Reason)
	}
	return t.run(ctx)
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

// claim waits for the store as long as ctx lasts. The holder stays the same, so that a
// claim whose answer was lost is returned again.
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

// reach calls the job store until it answers: with success or with one of the
// named errors. It gives ctx's error when that ends first.
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
			log.WithError(err).Warn("Job store out of reach")
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
