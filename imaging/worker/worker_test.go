package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
	"vitrine/imaging/worker"
)

// sources serves a photograph, a small logo, and faults.
func sources(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/photo":
		_, _ = w.Write(imagingtest.JPEG(imagingtest.Photo(900, 200, 5), 92, 1))
	case "/logo":
		_, _ = w.Write(imagingtest.PNG(imagingtest.Logo(120, 90)))
	case "/html":
		_, _ = w.Write(imagingtest.HTML())
	case "/busy":
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/error":
		w.WriteHeader(http.StatusInternalServerError)
	case "/silent":
		<-r.Context().Done()
	default:
		http.NotFound(w, r)
	}
}

func TestHandleStoresVariants(t *testing.T) {
	t.Parallel()
	r := newRig(t, sources, worker.Config{}, s3Endpoint(t), nil)
	r.objects.ensure(t)
	for path, want := range map[string]int{"/photo": 4, "/logo": 2} {
		job := r.jobs.add(t, r.web.URL+path+"?token=secret", 1)
		if got := r.handle(t.Context(), t, job); got != worker.Ack {
			t.Fatalf("%s: verdict %d, log:\n%s", path, got, r.log)
		}
		row := r.jobs.row(t, job)
		if row.Status != "ready" || len(row.Result.Variants) != 4 {
			t.Fatalf("%s: %+v", path, row)
		}
		if r := row.Result; len(r.Placeholder) < 8 || len(r.AverageColor) != 7 || r.Animated || r.Note != "" {
			t.Errorf("%s: %+v", path, r)
		}
		keys := map[string]bool{}
		for i, v := range row.Result.Variants {
			keys[v.Key] = true
			body, contentType := r.objects.get(t, v.Key)
			if v.Name != []string{"main", "large", "small", "square"}[i] || int64(len(body)) != v.Bytes || contentType != "image/"+v.Format {
				t.Errorf("%s: %+v is stored as %d bytes of %s", path, v, len(body), contentType)
			}
			checkFile(t, v, body)
			prefix := "/" + row.Result.SourceSHA256 + "/"
			if !strings.HasPrefix(v.Key, "products/") || !strings.Contains(v.Key, prefix) {
				t.Errorf("%s: key %s", path, v.Key)
			}
		}
		if len(keys) != want {
			t.Errorf("%s: %d objects, want %d", path, len(keys), want)
		}
		if got := r.handle(t.Context(), t, job); got != worker.Ack {
			t.Errorf("%s: verdict of the second delivery is %d", path, got)
		}
	}
	checkLog(t, r.log.String())
}

// checkLog wants the fields that operators search for in every line of a job's
// steps, and no secret.
func checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, "secret") {
		t.Errorf("the log tells a source's query:\n%s", log)
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) < 6 {
		t.Errorf("only %d lines", len(lines))
	}
	for _, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"image_id", "product_id", "attempt", "request_id", "bytes_before"} {
			if entry[field] == nil {
				t.Errorf("no %s in %s", field, line)
			}
		}
	}
}

func TestHandleOutcomes(t *testing.T) {
	t.Parallel()
	patience := worker.Config{RetryBase: 8 * time.Second, RetryCap: 20 * time.Second}
	r := newRig(t, sources, patience, s3Endpoint(t), nil)
	other := newRig(t, sources, patience, s3Endpoint(t), nil) // another host: one that fails too often is not asked any more
	down := newRig(t, sources, worker.Config{}, "127.0.0.1:1", nil)
	tests := []struct {
		name     string
		rig      *rig
		path     string
		attempt  int
		want     worker.Verdict
		status   string
		code     imaging.Code
		from, to time.Duration // of the wait
	}{
		{"gone", r, "/gone", 1, worker.DeadLetter, "failed", imaging.CodeSourceNotFound, 0, 0},
		{"html", r, "/html", 1, worker.DeadLetter, "failed", imaging.CodeUnsupportedFormat, 0, 0},
		{"first error", r, "/error", 1, worker.Ack, "pending", imaging.CodeSourceUnavailable, 4 * time.Second, 8 * time.Second},
		{"second error", r, "/error", 2, worker.Ack, "pending", imaging.CodeSourceUnavailable, 8 * time.Second, 16 * time.Second},
		{"third error", r, "/error", 3, worker.Ack, "pending", imaging.CodeSourceUnavailable, 10 * time.Second, 20 * time.Second},
		{"last error", other, "/error", 5, worker.DeadLetter, "failed", imaging.CodeSourceUnavailable, 0, 0},
		{"asked to wait", other, "/busy", 1, worker.Ack, "pending", imaging.CodeSourceUnavailable, 10 * time.Minute, 10 * time.Minute},
		{"too many tries", r, "/photo", 6, worker.DeadLetter, "failed", imaging.CodeWorkerCrashed, 0, 0},
		{"no store", down, "/logo", 1, worker.Ack, "pending", imaging.CodeStoreUnavailable, time.Second, 2 * time.Second},
		{"no store, last try", down, "/logo", 5, worker.Ack, "pending", imaging.CodeStoreUnavailable, time.Second, 2 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := test.rig.jobs.add(t, test.rig.web.URL+test.path, test.attempt)
			if got := test.rig.handle(t.Context(), t, job); got != test.want {
				t.Errorf("verdict %d, want %d", got, test.want)
			}
			row := test.rig.jobs.row(t, job)
			if row.Status != test.status || row.Code != string(test.code) || row.Attempts != test.attempt ||
				row.Ours != (test.rig == down) {
				t.Errorf("%+v", row)
			}
			if row.RetryIn < test.from || row.RetryIn > test.to {
				t.Errorf("waits %v, want %v to %v", row.RetryIn, test.from, test.to)
			}
			if test.status == "pending" {
				return
			}
			// The failure has been settled, so nothing is left to do.
			if got := test.rig.handle(t.Context(), t, job); got != worker.Ack {
				t.Errorf("verdict of the second delivery is %d", got)
			}
		})
	}
}

func TestHandleMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, sources, worker.Config{}, s3Endpoint(t), nil)
	for _, body := range []string{"", "{", "null", "[]", `{"v":2}`, `{"v":1,"image_id":"x"}`, `{"v":1,"generation":1}`} {
		if got := r.Handle(t.Context(), []byte(body)); got != worker.DeadLetter {
			t.Errorf("%q: verdict %d", body, got)
		}
	}
	job := r.jobs.add(t, r.web.URL+"/logo", 1)
	job.Generation = 2
	if got := r.handle(t.Context(), t, job); got != worker.Ack {
		t.Errorf("verdict of another generation's job is %d", got)
	}
}

func TestHandleHandsBackWhenStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, worker.Config{}, s3Endpoint(t), nil)
	job := r.jobs.add(t, r.web.URL, 5)
	if got := r.handle(ctx, t, job); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := r.jobs.row(t, job); row.Status != "pending" || !row.Ours || row.RetryIn != 0 {
		t.Errorf("%+v", row)
	}
	if got := r.handle(ctx, t, job); got != worker.Leave {
		t.Errorf("verdict of a delivery after the stop is %d", got)
	}
}

func TestHandleStopsWhenItsLeaseIsLost(t *testing.T) {
	t.Parallel()
	fetching := make(chan struct{})
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		close(fetching)
		<-r.Context().Done()
	}, worker.Config{Lease: 400 * time.Millisecond}, s3Endpoint(t), nil)
	job := r.jobs.add(t, r.web.URL, 1)
	verdict := make(chan worker.Verdict, 1)
	go func() { verdict <- r.handle(t.Context(), t, job) }()
	<-fetching
	if _, err := r.jobs.db.Exec(`UPDATE jobs SET owner = 'another'`); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-verdict:
		if got != worker.Ack {
			t.Errorf("verdict %d", got)
		}
	case <-time.After(4 * time.Second): // less than the time limit of the download
		t.Fatal("the job goes on without its lease")
	}
	if row := r.jobs.row(t, job); row.Status != "processing" {
		t.Errorf("a lost claim was settled: %+v", row)
	}
}

// A lease is renewed for as long as the work takes.
func TestHandleRenewsItsLease(t *testing.T) {
	t.Parallel()
	fetching := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		close(fetching)
		<-time.After(3 * time.Second) // longer than the lease
		sources(w, &http.Request{URL: r.URL})
	}, worker.Config{Lease: 2 * time.Second}, s3Endpoint(t), nil)
	r.objects.ensure(t)
	job := r.jobs.add(t, r.web.URL+"/logo", 1)
	verdict := make(chan worker.Verdict, 1)
	go func() { verdict <- r.handle(t.Context(), t, job) }()
	<-fetching
	claims := time.NewTicker(20 * time.Millisecond)
	defer claims.Stop()
	for len(verdict) == 0 {
		if _, err := r.jobs.Claim(t.Context(), job, "thief", time.Minute); err == nil {
			t.Fatal("the lease ran out")
		}
		<-claims.C
	}
	if row := r.jobs.row(t, job); <-verdict != worker.Ack || row.Status != "ready" || row.Attempts != 1 {
		t.Errorf("%+v", row)
	}
}

// watched is a store that tells of the calls that were made in vain, and which is
// out of reach again once a digest is reserved.
type watched struct {
	*jobs
	db     *proxy
	failed chan string
}

func (w *watched) tell(call string, err error) error {
	if err != nil {
		select {
		case w.failed <- call:
		default:
		}
	}
	return err
}

func (w *watched) Claim(ctx context.Context, job imaging.Job, owner string, lease time.Duration) (imaging.Claim, error) {
	c, err := w.jobs.Claim(ctx, job, owner, lease)
	return c, w.tell("claim", err)
}

func (w *watched) Reserve(ctx context.Context, c imaging.Claim, sha256 string) (*imaging.Result, error) {
	duplicate, err := w.jobs.Reserve(ctx, c, sha256)
	if err == nil {
		w.db.cut.Store(true)
	}
	return duplicate, w.tell("reserve", err)
}

func (w *watched) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	return w.tell("settle", w.jobs.Settle(ctx, c, o))
}

// wantFailed waits until a call was repeated in vain, while never says what must
// not happen before.
func (w *watched) wantFailed(t *testing.T, call string, never <-chan string) {
	t.Helper()
	for n := 0; n < 2; {
		select {
		case got := <-w.failed:
			if got == call {
				n++
			}
		case what := <-never:
			t.Fatalf("%s while %s cannot be done", what, call)
		case <-time.After(20 * time.Second):
			t.Fatalf("%s was tried %d times", call, n)
		}
	}
}

// While PostgreSQL is away nothing is lost, and no attempt is counted twice.
func TestHandleWaitsForTheJobStore(t *testing.T) {
	t.Parallel()
	fetched, serve := make(chan string, 10), make(chan struct{})
	store := &watched{failed: make(chan string, 100)}
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		fetched <- "fetched"
		<-serve
		sources(w, &http.Request{URL: r.URL})
	}, worker.Config{}, s3Endpoint(t), func(j *jobs) worker.JobStore {
		store.jobs = j
		return store
	})
	store.db = r.db
	r.objects.ensure(t)
	job := r.jobs.add(t, r.web.URL+"/logo", 1)
	r.db.cut.Store(true)
	verdict, ended := make(chan worker.Verdict, 1), make(chan string, 1)
	go func() {
		got := r.handle(t.Context(), t, job)
		ended <- fmt.Sprintf("verdict %d", got)
		verdict <- got
	}()
	store.wantFailed(t, "claim", fetched)
	r.db.cut.Store(false)
	<-fetched
	r.db.cut.Store(true)
	close(serve)
	store.wantFailed(t, "reserve", ended)
	r.db.cut.Store(false) // until it is reserved
	store.wantFailed(t, "settle", ended)
	r.db.cut.Store(false)
	if got := <-verdict; got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := r.jobs.row(t, job); row.Status != "ready" || row.Attempts != 1 {
		t.Errorf("%+v", row)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r.db.cut.Store(true)
	if got := r.handle(ctx, t, newer(job)); got != worker.Leave {
		t.Errorf("verdict at the end without the store is %d", got)
	}
}

// forgetful is a store whose first answer to a claim is lost.
type forgetful struct {
	*jobs
	owners chan string
}

func (f forgetful) Claim(ctx context.Context, job imaging.Job, owner string, lease time.Duration) (imaging.Claim, error) {
	f.owners <- owner
	if len(f.owners) == 1 {
		return imaging.Claim{}, fmt.Errorf("no answer")
	}
	return f.jobs.Claim(ctx, job, owner, lease)
}

// Who claims again says so: the store can tell it from somebody else.
func TestHandleClaimsAgainAsTheSameOwner(t *testing.T) {
	t.Parallel()
	owners := make(chan string, 10)
	r := newRig(t, sources, worker.Config{}, s3Endpoint(t), func(j *jobs) worker.JobStore { return forgetful{j, owners} })
	r.objects.ensure(t)
	if got := r.handle(t.Context(), t, r.jobs.add(t, r.web.URL+"/logo", 1)); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if first, second := <-owners, <-owners; first != second {
		t.Errorf("claimed as %s, then as %s", first, second)
	}
}

func newer(job imaging.Job) imaging.Job {
	job.Generation++
	return job
}

// broken is a store with a defect.
type broken struct{ *jobs }

func (broken) Reserve(context.Context, imaging.Claim, string) (*imaging.Result, error) {
	panic("defect in Reserve")
}

func TestHandleSurvivesAPanic(t *testing.T) {
	t.Parallel()
	r := newRig(t, sources, worker.Config{}, s3Endpoint(t), func(j *jobs) worker.JobStore { return broken{j} })
	job := r.jobs.add(t, r.web.URL+"/logo", 1)
	if got := r.handle(t.Context(), t, job); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := r.jobs.row(t, job); row.Status != "pending" || row.Code != string(imaging.CodeInternal) || row.Ours {
		t.Errorf("%+v", row)
	}
	if n := strings.Count(r.log.String(), "defect in Reserve"); n != 1 {
		t.Errorf("the panic is logged %d times:\n%s", n, r.log)
	}
}

func TestReprocessSurvivesAPanic(t *testing.T) {
	t.Parallel()
	r := newRig(t, sources, worker.Config{}, s3Endpoint(t), func(j *jobs) worker.JobStore { return broken{j} })
	job := r.jobs.add(t, r.web.URL+"/photo", 1)
	job.Reprocess = true
	if got := r.handle(t.Context(), t, job); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := r.jobs.row(t, job); row.Status != "pending" || row.Code != string(imaging.CodeInternal) || row.Stage != imaging.StageStore || row.Ours {
		t.Errorf("%+v", row)
	}
	if !strings.Contains(r.log.String(), "defect in Reserve") || !strings.Contains(r.log.String(), "worker_test.go") {
		t.Errorf("the log does not show the panic:\n%s", r.log)
	}
}

// Many jobs at once share one budget, and all of them finish.
func TestHandleManyAtOnce(t *testing.T) {
	t.Parallel()
	file := imagingtest.JPEG(imagingtest.Graphic(900, 600), 90, 1)
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Join([][]byte{file, []byte(r.URL.Path)}, nil)) // a digest of its own
	}, worker.Config{Process: process.Config{MemoryBudget: 24 << 20}}, s3Endpoint(t), nil)
	r.objects.ensure(t)
	const n = 12
	list := make([]imaging.Job, n)
	verdicts := make(chan worker.Verdict, n)
	for i := range list {
		list[i] = r.jobs.add(t, fmt.Sprintf("%s/%d", r.web.URL, i), 1)
		go func() { verdicts <- r.handle(t.Context(), t, list[i]) }()
	}
	for range n {
		if got := <-verdicts; got != worker.Ack {
			t.Errorf("verdict %d", got)
		}
	}
	for _, job := range list {
		if row := r.jobs.row(t, job); row.Status != "ready" {
			t.Errorf("%+v", row)
		}
	}
}

// The same bytes are decoded once for a product, and stored once.
func TestHandleDecodesTheSameBytesOnce(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	r := newRig(t, sources, worker.Config{}, s3Endpoint(t), nil)
	r.objects.ensure(t)
	fetcher := r.web.fetcher(t, fetch.Config{})
	r.Worker = worker.New(r.jobs, r.objects, fetcher, worker.Config{}, logrus.New(), reg)
	first := r.jobs.add(t, r.web.URL+"/photo", 1)
	r.handle(t.Context(), t, first)
	decodings := func() uint64 {
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range all {
			for _, m := range family.GetMetric() {
				if family.GetName() == "vitrine_image_stage_seconds" && m.GetLabel()[0].GetValue() == "decode" {
					return m.GetHistogram().GetSampleCount()
				}
			}
		}
		return 0
	}
	want := r.jobs.row(t, first)
	if want.Status != "ready" || decodings() != 1 {
		t.Fatalf("%+v, decoded %d times", want, decodings())
	}
	for _, name := range []string{"same pipeline version", "another pipeline version"} {
		second := r.jobs.add(t, r.web.URL+"/photo?again", 1)
		if _, err := r.jobs.db.Exec(`UPDATE jobs SET product = (SELECT product FROM jobs WHERE id = $2) WHERE id = $1`, second.ImageID, first.ImageID); err != nil {
			t.Fatal(err)
		}
		times := uint64(1)
		if name == "another pipeline version" {
			times = 2
			if _, err := r.jobs.db.Exec(`UPDATE jobs SET result = jsonb_set(result, '{PipelineVersion}', '"another"') WHERE status = 'ready'`); err != nil {
				t.Fatal(err)
			}
		}
		r.handle(t.Context(), t, second)
		got := r.jobs.row(t, second)
		if diff := cmp.Diff(want.Result, got.Result); diff != "" || got.Status != "ready" {
			t.Errorf("%s: %s (-first +second):\n%s", name, got.Status, diff)
		}
		if n := decodings(); n != times {
			t.Errorf("%s: decoded %d times, want %d", name, n, times)
		}
		if _, err := r.jobs.db.Exec(`DELETE FROM jobs WHERE id = $1`, second.ImageID); err != nil {
			t.Fatal(err)
		}
	}
}
