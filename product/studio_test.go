package product_test

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

	"vitrine/bench/testenv"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/imaging/picture"
	"vitrine/product"
	"vitrine/storage"
)

// studio is a catalogue whose images are really made: of what a host serves, by a
// worker that stores in a bucket.
type studio struct {
	*catalogue
	bucket bucket
	s3     *testenv.Proxy // between the worker and the bucket
	host   *host
	queue  *messages
	worker *imaging.Worker
}

// host serves pictures that can change. An empty one is not found.
type host struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte
	status int // instead of any file, unless zero
	asked  int
	sent   int // files
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (h *host) serve(logo []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files["/logo.png"] = logo
}

func (h *host) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *host) requests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

func (h *host) downloads() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{catalogue: newCatalogue(t), bucket: newBucket(t), host: &host{files: map[string][]byte{}},
		queue: &messages{waiting: make(chan product.Message, 5000)}}
	s.host.Server = httptest.NewServer(s.host)
	t.Cleanup(s.host.Close)
	u, err := url.Parse(os.Getenv("S3_ENDPOINT"))
	if err != nil {
		t.Fatal(err)
	}
	s.s3 = testenv.NewProxy(t, u.Host)
	s.host.serve(picture.PNG(picture.Corners(150, 120)))
	s.worker = s.newWorker(imaging.WorkerConfig{WebP: []string{"main", "large"}})
	return s
}

func (s *studio) newWorker(cfg imaging.WorkerConfig) *imaging.Worker {
	s.t.Helper()
	return s.newWorkerOn(s.jobs, cfg)
}

// newWorkerOn returns a worker with a job store of its own.
func (s *studio) newWorkerOn(jobs imaging.JobStore, cfg imaging.WorkerConfig) *imaging.Worker {
	s.t.Helper()
	u, err := url.Parse(s.host.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		s.t.Fatal(err)
	}
	fetcher := imaging.NewFetcher(imaging.FetchConfig{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPorts: []int{port}})
	s.t.Cleanup(fetcher.Close)
	objects, err := storage.New(storage.Config{
		Endpoint: "http://" + s.s3.Addr, Region: os.Getenv("AWS_REGION"), Bucket: s.bucket.name,
		AccessKey: os.Getenv("AWS_ACCESS_KEY"), SecretKey: os.Getenv("AWS_SECRET_KEY"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return imaging.NewWorker(jobs, objects, fetcher, cfg, testenv.Quiet(), nil)
}

// ready stores a product with pictures of the host, and makes them ready.
func (s *studio) ready(paths ...string) wire {
	s.t.Helper()
	for i := range paths {
		paths[i] = s.host.URL + paths[i]
	}
	w := s.create(paths...)
	for _, image := range w.Images {
		s.first(s.worker, image)
	}
	return s.get(w.ID)
}

// first makes one of a product's images ready.
func (s *studio) first(worker *imaging.Worker, image wireImage) {
	s.t.Helper()
	body, err := job(image).Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	if verdict := worker.Handle(s.t.Context(), body); verdict != imaging.Ack {
		s.t.Fatalf("the first processing of %s ended with %d", image.Source, verdict)
	}
	s.exec(`DELETE FROM outbox WHERE kind = 'image_job' AND priority = 0 AND subject = $1`, image.ID)
}

// unhurried is a configuration under which a test decides when an attempt is made again.
var unhurried = imaging.WorkerConfig{WebP: []string{"main", "large"}, Lease: time.Hour, RetryBase: time.Hour, RetryCap: time.Hour}

// hasty is one under which failed attempts are repeated at once.
var hasty = imaging.WorkerConfig{WebP: []string{"main", "large"}, RetryBase: time.Millisecond, RetryCap: time.Millisecond}

// messages is a queue in memory. It drops jobs of images that are not ready: those are
// worked on by the tests themselves.
type messages struct {
	waiting   chan product.Message
	consumers atomic.Int32
}

func (m *messages) Depth(context.Context) (int, error)     { return len(m.waiting), nil }
func (m *messages) Consumers(context.Context) (int, error) { return int(m.consumers.Load()), nil }

func (m *messages) Publish(_ context.Context, all []product.Message) []error {
	for _, message := range all {
		m.waiting <- message
	}
	return make([]error, len(all))
}

// consume handles messages until ctx ends.
func (m *messages) consume(ctx context.Context, worker *imaging.Worker) error {
	m.consumers.Add(1)
	defer m.consumers.Add(-1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-m.waiting:
			if job, err := imaging.DecodeJob(message.Body); err != nil || job.Reprocess {
				worker.Handle(ctx, message.Body)
			}
		}
	}
}

// process runs what reprocesses images in a process: a relay, and the consumer of worker.
func (s *studio) process(worker *imaging.Worker) {
	s.t.Helper()
	testenv.Run(s.t, s.relay().Run)
	testenv.Run(s.t, func(ctx context.Context) error { return s.queue.consume(ctx, worker) })
}

func (s *studio) relay() *product.Relay {
	return product.NewJobRelay(s.outbox, s.queue, freely, nil, testenv.Quiet())
}

// hooked is a job store with something that happens when a claim is made, and before it is
// settled.
type hooked struct {
	imaging.JobStore
	claimed, settling func(ctx context.Context)
}

func (h hooked) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	claim, err := h.JobStore.Claim(ctx, job, holder, lease)
	if err == nil && h.claimed != nil {
		h.claimed(ctx)
	}
	return claim, err
}

func (h hooked) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	if h.settling != nil {
		h.settling(ctx)
	}
	return h.JobStore.Settle(ctx, c, o)
}

// deletions deletes objects, those at once that would wait for a minute.
func (s *studio) deletions() {
	s.t.Helper()
	s.exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects'`)
	testenv.Run(s.t, product.NewDeletionRelay(s.store, s.outbox, s.jobs, s.bucket, nil, testenv.Quiet()).Run)
	testenv.Eventually(s.t, "the deletions are done", func() bool {
		s.exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects' AND available_at > now() + interval '40 seconds'`)
		return s.count("outbox WHERE kind = 'delete_objects'") == 0
	})
}

// work is true of images that are to be reprocessed.
const work = "images WHERE reprocess <> '{}' OR reprocessing IS NOT NULL"

// idle waits until no image is to be reprocessed.
func (s *studio) idle() {
	s.t.Helper()
	testenv.Eventually(s.t, "nothing is left to reprocess", func() bool { return s.count(work) == 0 })
}

// again makes jobs that wait due.
func (s *studio) again() {
	s.t.Helper()
	s.exec(`UPDATE images SET queued_at = now() WHERE reprocess <> '{}'`)
	s.exec(`UPDATE outbox SET available_at = now() WHERE kind = 'image_job'`)
}

// vanish has the worker of an image be gone, and its message with it.
func (s *studio) vanish() {
	s.t.Helper()
	s.exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute' WHERE lease_holder IS NOT NULL`)
	s.reconcile(empty)
}

// named gives the keys that the images of all products name.
func (s *studio) named() []string {
	s.t.Helper()
	var text string
	s.scan(&text, `SELECT coalesce(string_agg(DISTINCT v ->> 'key', ' '), '') FROM images, jsonb_array_elements(variants) AS v`)
	keys := strings.Fields(text)
	slices.Sort(keys)
	return keys
}

// wantObjects checks that the bucket has what the images name, and nothing else.
func (s *studio) wantObjects() {
	s.t.Helper()
	if got, want := s.bucket.keys(), s.named(); !slices.Equal(got, want) {
		s.t.Errorf("stored are\n%s\nnamed are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// webps counts the WebP variants of an image.
func (s *studio) webps(image uuid.UUID) int {
	s.t.Helper()
	return s.count(`images, jsonb_array_elements(variants) AS v WHERE images.id = $1 AND v ->> 'format' = 'webp'`, image)
}

// attempt gives what is remembered of the latest try.
func (s *studio) attempt(image uuid.UUID) (a product.Attempt) {
	s.t.Helper()
	var id int64
	s.scan(&id, `SELECT product_id FROM images WHERE id = $1`, image)
	all, err := s.jobs.Attempts(s.t.Context(), product.Everything(), id, image)
	if err != nil || len(all) == 0 {
		s.t.Fatal(err)
	}
	return all[0]
}

// processAll runs a process until nothing is left to reprocess, and ends it.
func (s *studio) processAll(worker *imaging.Worker) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.relay().Run(ctx) }()
	go func() { ended <- s.queue.consume(ctx, worker) }()
	s.idle()
	stop()
	for range 2 {
		if err := testenv.Receive(s.t, "a value", ended); err != nil {
			s.t.Fatal(err)
		}
	}
}
