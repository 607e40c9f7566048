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
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/imaging/picture"
	"vitrine/product"
	"vitrine/product/producttest"
	"vitrine/storage"
)

// studio is a catalogue whose images are really made: of what a host serves, by a
// worker that stores in a bucket.
type studio struct {
	*catalogue
	bucket bucket
	s3     *producttest.Proxy // between the worker and the bucket
	host   *host
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
	s := &studio{catalogue: newCatalogue(t), bucket: newBucket(t), host: &host{files: map[string][]byte{}}}
	s.host.Server = httptest.NewServer(s.host)
	t.Cleanup(s.host.Close)
	u, err := url.Parse(os.Getenv("S3_ENDPOINT"))
	if err != nil {
		t.Fatal(err)
	}
	s.s3 = producttest.NewProxy(t, u.Host)
	s.host.serve(picture.PNG(picture.Corners(150, 120)))
	s.worker = s.newWorker(imaging.WorkerConfig{WebP: []string{"main", "large"}})
	return s
}

func (s *studio) newWorker(cfg imaging.WorkerConfig) *imaging.Worker {
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
	return imaging.NewWorker(s.jobs, objects, fetcher, cfg, quiet(), nil)
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
		s.t.Fatalf("the first pass over %s ended with %d", image.Source, verdict)
	}
	s.exec(`DELETE FROM outbox WHERE kind = 'image_job' AND subject = $1`, image.ID)
}

// unhurried is a configuration under which a test decides when a try is made again.
var unhurried = product.ReworkConfig{RetryBase: time.Hour, RetryCap: time.Hour}

// reworks runs a relay of a process of its own.
func (s *studio) reworks(worker product.Reworker, cfg product.ReworkConfig) {
	s.t.Helper()
	run(s.t, product.NewReworkRelay(s.Service, worker, empty, cfg, nil, quiet(), nil).Run)
}

// deletions deletes objects, those at once that would wait for a minute.
func (s *studio) deletions() {
	s.t.Helper()
	s.exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects'`)
	run(s.t, product.NewDeletionRelay(s.store, s.bucket, nil, quiet()).Run)
	eventually(s.t, "the deletions are done", func() bool {
		s.exec(`UPDATE outbox SET available_at = now() WHERE kind = 'delete_objects' AND available_at > now() + interval '40 seconds'`)
		return s.count("outbox WHERE kind = 'delete_objects'") == 0
	})
}

// idle waits until no rework is left.
func (s *studio) idle() {
	s.t.Helper()
	eventually(s.t, "no rework is left", func() bool { return s.count("outbox WHERE kind = 'image_rework'") == 0 })
}

// again makes reworks that wait due.
func (s *studio) again() {
	s.t.Helper()
	s.exec(`UPDATE outbox SET available_at = now() WHERE kind = 'image_rework'`)
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
	all, err := s.Attempts(s.t.Context(), product.Everything(), id, image)
	if err != nil || len(all) == 0 {
		s.t.Fatal(err)
	}
	return all[0]
}

// reworkAll runs the relay of a process until no rework is left, and ends it.
func (s *studio) reworkAll(worker product.Reworker) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- product.NewReworkRelay(s.Service, worker, empty, product.ReworkConfig{}, nil, quiet(), nil).Run(ctx)
	}()
	s.idle()
	stop()
	if err := receive(s.t, ended); err != nil {
		s.t.Fatal(err)
	}
}
