package testenv

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
	"vitrine/product"
	"vitrine/product/job"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
	"vitrine/storage"
)

// studio is a catalogue whose images are really made: of what a host serves, by a
// worker that stores in a bucket.
type Pipeline struct {
	*Environment
	Bucket  Bucket
	S3      *Proxy // between the worker and the bucket
	Sources *SourceServer
	Queue   *MemoryQueue
	Worker  *worker.Worker
}

// host serves pictures that can change. An empty one is not found.
type SourceServer struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte
	status int // instead of any file, unless zero
	asked  int
	sent   int // files
}

func (h *SourceServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	file := h.files[r.URL.Path]
	switch {
	case h.status != 0:
		w.WriteHeader(h.status)
	case file == nil:
		http.NotFound(w, r)
	default:
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256(file))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.sent++
		_, _ = w.Write(file)
	}
}

func (h *SourceServer) Serve(logo []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files["/logo.png"] = logo
}

func (h *SourceServer) Answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *SourceServer) Requests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

func (h *SourceServer) Downloads() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent
}

func NewPipeline(t *testing.T) *Pipeline {
	t.Helper()
	s := &Pipeline{Environment: New(t), Bucket: NewBucket(t), Sources: &SourceServer{files: map[string][]byte{}},
		Queue: &MemoryQueue{Messages: make(chan outbox.Message, 5000)}}
	s.Sources.Server = httptest.NewServer(s.Sources)
	t.Cleanup(s.Sources.Close)
	u, err := url.Parse(os.Getenv("S3_ENDPOINT"))
	if err != nil {
		t.Fatal(err)
	}
	s.S3 = NewProxy(t, u.Host)
	s.Sources.Serve(imagingtest.PNG(imagingtest.Corners(150, 120)))
	s.Worker = s.NewWorker(worker.Config{WebP: []string{"main", "large"}})
	return s
}

func (s *Pipeline) NewWorker(cfg worker.Config) *worker.Worker {
	s.T.Helper()
	return s.NewWorkerOn(s.Jobs, cfg)
}

// newWorkerOn returns a worker with a job store of its own.
func (s *Pipeline) NewWorkerOn(jobs worker.JobStore, cfg worker.Config) *worker.Worker {
	s.T.Helper()
	u, err := url.Parse(s.Sources.URL)
	if err != nil {
		s.T.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		s.T.Fatal(err)
	}
	fetcher := fetch.New(fetch.Config{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPorts: []int{port}})
	s.T.Cleanup(fetcher.Close)
	objects, err := storage.New(storage.Config{
		Endpoint: "http://" + s.S3.Addr, Region: os.Getenv("AWS_REGION"), Bucket: s.Bucket.name,
		AccessKey: os.Getenv("AWS_ACCESS_KEY"), SecretKey: os.Getenv("AWS_SECRET_KEY"),
	})
	if err != nil {
		s.T.Fatal(err)
	}
	return worker.New(jobs, objects, fetcher, cfg, Quiet(), nil)
}

// ready stores a product with pictures of the host, and makes them ready.
func (s *Pipeline) NewReadyProduct(paths ...string) Product {
	s.T.Helper()
	for i := range paths {
		paths[i] = s.Sources.URL + paths[i]
	}
	w := s.NewProduct(paths...)
	for _, image := range w.Images {
		s.ProcessFirst(s.Worker, image)
	}
	return s.Product(w.ID)
}

// first makes one of a product's images ready.
func (s *Pipeline) ProcessFirst(imageWorker *worker.Worker, image Image) {
	s.T.Helper()
	body, err := JobOf(image).Encode()
	if err != nil {
		s.T.Fatal(err)
	}
	if verdict := imageWorker.Handle(s.T.Context(), body); verdict != worker.Ack {
		s.T.Fatalf("the first processing of %s ended with %d", image.Source, verdict)
	}
	s.Exec(`DELETE FROM outbox WHERE kind = 'image_job' AND priority = 0 AND subject = $1`, image.ID)
}

// unhurried is a configuration under which a test decides when an attempt is made again.
var RetryLater = worker.Config{WebP: []string{"main", "large"}, Lease: time.Hour, RetryBase: time.Hour, RetryCap: time.Hour}

// hasty is one under which failed attempts are repeated at once.
var RetryAtOnce = worker.Config{WebP: []string{"main", "large"}, RetryBase: time.Millisecond, RetryCap: time.Millisecond}

// messages is a queue in memory. It drops jobs of images that are not ready: those are
// worked on by the tests themselves.
type MemoryQueue struct {
	Messages  chan outbox.Message
	consumers atomic.Int32
}

func (m *MemoryQueue) Depth(context.Context) (int, error)     { return len(m.Messages), nil }
func (m *MemoryQueue) Consumers(context.Context) (int, error) { return int(m.consumers.Load()), nil }

func (m *MemoryQueue) Publish(_ context.Context, all []outbox.Message) []error {
	for _, message := range all {
		m.Messages <- message
	}
	return make([]error, len(all))
}

// SetConsumers sets the number of consumers that the queue reports.
func (m *MemoryQueue) SetConsumers(n int) { m.consumers.Store(int32(n)) }

// consume handles messages until ctx ends.
func (m *MemoryQueue) consume(ctx context.Context, worker *worker.Worker) error {
	m.consumers.Add(1)
	defer m.consumers.Add(-1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-m.Messages:
			if job, err := imaging.DecodeJob(message.Body); err != nil || job.Reprocess {
				worker.Handle(ctx, message.Body)
			}
		}
	}
}

// process runs what reprocesses images in a process: a relay, and the consumer of worker.
func (s *Pipeline) RunReprocessing(worker *worker.Worker) {
	s.T.Helper()
	Run(s.T, s.NewRelay().Run)
	Run(s.T, func(ctx context.Context) error { return s.Queue.consume(ctx, worker) })
}

func (s *Pipeline) NewRelay() *outbox.Relay {
	return outbox.NewJobRelay(s.Outbox, s.Queue, Unlimited, nil, Quiet())
}

// hooked is a job store with something that happens when a claim is made, and before it is
// settled.
type HookedStore struct {
	worker.JobStore
	Claimed, Settling func(ctx context.Context)
}

func (h HookedStore) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	claim, err := h.JobStore.Claim(ctx, job, holder, lease)
	if err == nil && h.Claimed != nil {
		h.Claimed(ctx)
	}
	return claim, err
}

func (h HookedStore) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	if h.Settling != nil {
		h.Settling(ctx)
	}
	return h.JobStore.Settle(ctx, c, o)
}

// deletions deletes objects, those at once that would wait for a minute.
func (s *Pipeline) DeleteObjects() {
	s.T.Helper()
	s.Exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects'`)
	Run(s.T, maintenance.NewDeletionRelay(s.Store, s.Outbox, s.Jobs, s.Bucket, nil, Quiet()).Run)
	Eventually(s.T, "the deletions are done", func() bool {
		s.Exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects' AND available_at > now() + interval '40 seconds'`)
		return s.Count("outbox WHERE kind = 'delete_objects'") == 0
	})
}

// work is true of images that are to be reprocessed.
const DueReprocessing = "images WHERE reprocess <> '{}' OR reprocessing IS NOT NULL"

// idle waits until no image is to be reprocessed.
func (s *Pipeline) AwaitReprocessed() {
	s.T.Helper()
	Eventually(s.T, "nothing is left to reprocess", func() bool { return s.Count(DueReprocessing) == 0 })
}

// again makes jobs that wait due.
func (s *Pipeline) MakeJobsDue() {
	s.T.Helper()
	s.Exec(`UPDATE images SET queued_at = now() WHERE reprocess <> '{}'`)
	s.Exec(`UPDATE outbox SET available_at = now() WHERE kind = 'image_job'`)
}

// vanish has the worker of an image be gone, and its message with it.
func (s *Pipeline) LoseWorkers() {
	s.T.Helper()
	s.Exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute' WHERE lease_holder IS NOT NULL`)
	s.Reconcile(EmptyQueue)
}

// named gives the keys that the images of all products name.
func (s *Pipeline) NamedKeys() []string {
	s.T.Helper()
	var text string
	s.Scan(&text, `SELECT coalesce(string_agg(DISTINCT v ->> 'key', ' '), '') FROM images, jsonb_array_elements(variants) AS v`)
	keys := strings.Fields(text)
	slices.Sort(keys)
	return keys
}

// wantObjects checks that the bucket has what the images name, and nothing else.
func (s *Pipeline) WantObjects() {
	s.T.Helper()
	if got, want := s.Bucket.Keys(), s.NamedKeys(); !slices.Equal(got, want) {
		s.T.Errorf("stored are\n%s\nnamed are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// webps counts the WebP variants of an image.
func (s *Pipeline) CountWebP(image uuid.UUID) int {
	s.T.Helper()
	return s.Count(`images, jsonb_array_elements(variants) AS v WHERE images.id = $1 AND v ->> 'format' = 'webp'`, image)
}

// attempt gives what is remembered of the latest try.
func (s *Pipeline) LatestAttempt(image uuid.UUID) (a job.Attempt) {
	s.T.Helper()
	var id int64
	s.Scan(&id, `SELECT product_id FROM images WHERE id = $1`, image)
	all, err := s.Jobs.Attempts(s.T.Context(), product.Everything(), id, image)
	if err != nil || len(all) == 0 {
		s.T.Fatal(err)
	}
	return all[0]
}

// processAll runs a process until nothing is left to reprocess, and ends it.
func (s *Pipeline) ReprocessAll(worker *worker.Worker) {
	s.T.Helper()
	ctx, stop := context.WithCancel(s.T.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.NewRelay().Run(ctx) }()
	go func() { ended <- s.Queue.consume(ctx, worker) }()
	s.AwaitReprocessed()
	stop()
	for range 2 {
		if err := Receive(s.T, "a value", ended); err != nil {
			s.T.Fatal(err)
		}
	}
}
