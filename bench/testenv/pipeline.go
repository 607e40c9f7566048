package testenv

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
	"vitrine/product"
	"vitrine/product/job"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
)

// Pipeline is an environment that processes images: a worker downloads them from a server
// and stores their variants in a bucket.
type Pipeline struct {
	*Environment
	Sources *SourceServer
	Bucket  Bucket
	S3      *Proxy // between the worker and the bucket
	Queue   *MemoryQueue
	Worker  *worker.Worker
}

var (
	// RetryLater configures a worker whose failed attempts are repeated only when the test
	// makes them due, with [Pipeline.MakeJobsDue].
	RetryLater = worker.Config{WebP: []string{"main", "large"}, Lease: time.Hour, RetryBase: time.Hour, RetryCap: time.Hour}
	// RetryAtOnce configures a worker whose failed attempts are repeated at once.
	RetryAtOnce = worker.Config{WebP: []string{"main", "large"}, RetryBase: time.Millisecond, RetryCap: time.Millisecond}
)

// NewPipeline returns a pipeline whose server has /logo.png.
func NewPipeline(t *testing.T) *Pipeline {
	t.Helper()
	p := &Pipeline{
		Environment: New(t),
		Sources:     NewSourceServer(t, imagingtest.PNG(imagingtest.Corners(150, 120))),
		Bucket:      NewBucket(t),
		Queue:       &MemoryQueue{Messages: make(chan outbox.Message, 5000)},
	}
	u, err := url.Parse(S3Server(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p.S3 = NewProxy(t, u.Host)
	p.Worker = p.NewWorker(worker.Config{WebP: []string{"main", "large"}})
	return p
}

// NewWorker returns a worker for the environment's jobs.
func (p *Pipeline) NewWorker(cfg worker.Config) *worker.Worker {
	p.T.Helper()
	return p.NewWorkerOn(p.Jobs, cfg)
}

// NewWorkerOn returns a worker with another job store.
func (p *Pipeline) NewWorkerOn(jobs worker.JobStore, cfg worker.Config) *worker.Worker {
	p.T.Helper()
	fetcher := NewFetcher(p.T, p.Sources.Server, fetch.Config{})
	return worker.New(jobs, p.Bucket.At("http://"+p.S3.Addr), fetcher, cfg, Quiet(), nil)
}

// NewReadyProduct stores a product with images from the server and makes them ready.
func (p *Pipeline) NewReadyProduct(paths ...string) Product {
	p.T.Helper()
	for i := range paths {
		paths[i] = p.Sources.URL + paths[i]
	}
	created := p.NewProduct(paths...)
	for _, image := range created.Images {
		p.ProcessFirst(p.Worker, image)
	}
	return p.Product(created.ID)
}

// ProcessFirst makes an image ready and deletes its job from the outbox.
func (p *Pipeline) ProcessFirst(w *worker.Worker, image Image) {
	p.T.Helper()
	if verdict := w.Handle(p.T.Context(), Encode(p.T, JobOf(image))); verdict != worker.Ack {
		p.T.Fatalf("the first processing of %s ended with verdict %d", image.Source, verdict)
	}
	p.Exec(`DELETE FROM outbox WHERE kind = 'image_job' AND priority = 0 AND subject = $1`, image.ID)
}

// NewRelay returns a relay of jobs to the queue.
func (p *Pipeline) NewRelay() *outbox.Relay {
	return outbox.NewJobRelay(p.Outbox, p.Queue, Unlimited, nil, Quiet())
}

// RunReprocessing runs a relay and a consumer until the test ends.
func (p *Pipeline) RunReprocessing(w *worker.Worker) {
	p.T.Helper()
	Run(p.T, p.NewRelay().Run)
	Run(p.T, func(ctx context.Context) error { return p.Queue.consume(ctx, w) })
}

// ReprocessAll runs a relay and a consumer until no image is left to reprocess.
func (p *Pipeline) ReprocessAll(w *worker.Worker) {
	p.T.Helper()
	stopRelay := Run(p.T, p.NewRelay().Run)
	stopConsumer := Run(p.T, func(ctx context.Context) error { return p.Queue.consume(ctx, w) })
	p.AwaitReprocessed()
	stopRelay()
	stopConsumer()
}

// AwaitReprocessed waits until no image is left to reprocess.
func (p *Pipeline) AwaitReprocessed() {
	p.T.Helper()
	Eventually(p.T, "no image is left to reprocess", func() bool { return p.Count(DueReprocessing) == 0 })
}

// MakeJobsDue makes jobs due that wait for a later time.
func (p *Pipeline) MakeJobsDue() {
	p.T.Helper()
	p.Exec(`UPDATE images SET queued_at = now() WHERE reprocess <> '{}'`)
	p.Exec(`UPDATE outbox SET available_at = now() WHERE kind = 'image_job'`)
}

// LoseWorkers makes the leases of all images expire, as if their workers had been killed,
// and reconciles.
func (p *Pipeline) LoseWorkers() {
	p.T.Helper()
	p.Exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute' WHERE lease_holder IS NOT NULL`)
	p.Reconcile(EmptyQueue)
}

// DeleteObjects makes the deletions in the outbox due, and runs them until none is left.
func (p *Pipeline) DeleteObjects() {
	p.T.Helper()
	p.Exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects'`)
	Run(p.T, maintenance.NewDeletionRelay(p.Store, p.Outbox, p.Jobs, p.Bucket, nil, Quiet()).Run)
	Eventually(p.T, "the deletions are done", func() bool {
		p.Exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects' AND available_at > now() + interval '40 seconds'`)
		return p.Count("outbox WHERE kind = 'delete_objects'") == 0
	})
}

// NamedKeys returns the keys of all variants in the database, sorted.
func (p *Pipeline) NamedKeys() []string {
	p.T.Helper()
	var text string
	p.Scan(&text, `SELECT coalesce(string_agg(DISTINCT v ->> 'key', ' '), '') FROM images, jsonb_array_elements(variants) AS v`)
	keys := strings.Fields(text)
	slices.Sort(keys)
	return keys
}

// WantObjects checks that the bucket has the variants in the database and nothing else.
func (p *Pipeline) WantObjects() {
	p.T.Helper()
	if got, want := p.Bucket.Keys(), p.NamedKeys(); !slices.Equal(got, want) {
		p.T.Errorf("the bucket has\n%s\nthe database has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// CountWebP returns the number of WebP variants of an image.
func (p *Pipeline) CountWebP(image uuid.UUID) int {
	p.T.Helper()
	return p.Count(`images, jsonb_array_elements(variants) AS v WHERE images.id = $1 AND v ->> 'format' = 'webp'`, image)
}

// LatestAttempt returns the latest attempt at an image.
func (p *Pipeline) LatestAttempt(image uuid.UUID) job.Attempt {
	p.T.Helper()
	var id int64
	p.Scan(&id, `SELECT product_id FROM images WHERE id = $1`, image)
	all, err := p.Jobs.Attempts(p.T.Context(), product.Everything(), id, image)
	if err != nil || len(all) == 0 {
		p.T.Fatalf("%d attempts, %v", len(all), err)
	}
	return all[0]
}
