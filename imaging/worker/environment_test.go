package worker_test

import (
	"bytes"
	"context"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
)

// environment is a worker with a job store in PostgreSQL, a bucket, and a web server with
// sources.
type environment struct {
	*worker.Worker
	jobs   *jobs
	db     *testenv.Proxy // between the job store and PostgreSQL
	bucket testenv.Bucket
	web    *httptest.Server
	log    *strings.Builder
}

// options are what differs between the environments of tests.
type options struct {
	worker   worker.Config
	fetch    fetch.Config
	endpoint string                      // of S3, unless empty
	store    func(*jobs) worker.JobStore // in place of the jobs, unless nil
	registry prometheus.Registerer       // of metrics; may be nil
}

func newEnvironment(t *testing.T, handler http.HandlerFunc, o options) *environment {
	t.Helper()
	e := &environment{bucket: testenv.NewBucket(t), web: httptest.NewServer(handler), log: &strings.Builder{}}
	t.Cleanup(e.web.Close)
	e.jobs, e.db = newJobs(t)
	var store worker.JobStore = e.jobs
	if o.store != nil {
		store = o.store(e.jobs)
	}
	objects := e.bucket.Store
	if o.endpoint != "" {
		objects = e.bucket.At(o.endpoint)
	}
	if o.fetch.Timeout == 0 {
		o.fetch.Timeout = 5 * time.Second
	}
	if o.fetch.HostConnections == 0 {
		o.fetch.HostConnections = 64
	}
	log := logrus.New()
	log.SetOutput(e.log) // logrus serializes the writes
	log.SetFormatter(&logrus.JSONFormatter{})
	e.Worker = worker.New(store, objects, testenv.NewFetcher(t, e.web, o.fetch), o.worker, log, o.registry)
	return e
}

// handle delivers the job's message.
func (e *environment) handle(ctx context.Context, t *testing.T, job imaging.Job) worker.Verdict {
	t.Helper()
	return e.Handle(ctx, testenv.Encode(t, job))
}

// start delivers the job's message and returns a channel for the verdict.
func (e *environment) start(t *testing.T, job imaging.Job) <-chan worker.Verdict {
	t.Helper()
	verdict, message := make(chan worker.Verdict, 1), testenv.Encode(t, job)
	go func() { verdict <- e.Handle(t.Context(), message) }()
	return verdict
}

func serveLogo(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(imagingtest.PNG(imagingtest.Logo(40, 30)))
}

// checkFile checks that body has the format and the size of the variant.
func checkFile(t *testing.T, v imaging.Variant, body []byte) {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", v.Key, err)
	}
	if format != v.Format || m.Bounds().Dx() != v.Width || m.Bounds().Dy() != v.Height {
		t.Errorf("%s is a %s of %v, want a %s of %d x %d", v.Key, format, m.Bounds(), v.Format, v.Width, v.Height)
	}
}
