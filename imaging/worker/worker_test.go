package worker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
	"vitrine/imaging/worker"
)

// sources serves a photograph, a small logo and failures.
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
	e := newEnvironment(t, sources, options{})
	for path, want := range map[string]int{"/photo": 4, "/logo": 2} {
		job := e.jobs.add(t, e.web.URL+path+"?token=secret", 1)
		if got := e.handle(t.Context(), t, job); got != worker.Ack {
			t.Fatalf("%s: verdict %d, log:\n%s", path, got, e.log)
		}
		row := e.jobs.row(t, job)
		if row.Status != "ready" || len(row.Result.Variants) != 4 {
			t.Fatalf("%s: %+v", path, row)
		}
		if r := row.Result; len(r.Placeholder) < 8 || len(r.AverageColor) != 7 || r.Animated || r.Note != "" {
			t.Errorf("%s: %+v", path, r)
		}
		keys := map[string]bool{}
		for i, v := range row.Result.Variants {
			keys[v.Key] = true
			body, contentType := e.bucket.Get(v.Key)
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
		if got := e.handle(t.Context(), t, job); got != worker.Ack {
			t.Errorf("%s: verdict of the second delivery is %d", path, got)
		}
	}
	checkLog(t, e.log.String())
}

// checkLog checks that every line about a job has the fields that operators search for, and
// that no line has a secret.
func checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, "secret") {
		t.Errorf("the log has the query of a source:\n%s", log)
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
	waits := options{worker: worker.Config{RetryBase: 8 * time.Second, RetryCap: 20 * time.Second}}
	e := newEnvironment(t, sources, waits)
	other := newEnvironment(t, sources, waits) // another host: one that fails too often is not asked any more
	down := newEnvironment(t, sources, options{endpoint: "http://127.0.0.1:1"})
	tests := []struct {
		name     string
		env      *environment
		path     string
		attempt  int
		want     worker.Verdict
		status   string
		code     imaging.Code
		from, to time.Duration // of the wait
	}{
		{"gone", e, "/gone", 1, worker.DeadLetter, "failed", imaging.CodeSourceNotFound, 0, 0},
		{"html", e, "/html", 1, worker.DeadLetter, "failed", imaging.CodeUnsupportedFormat, 0, 0},
		{"first error", e, "/error", 1, worker.Ack, "pending", imaging.CodeSourceUnavailable, 4 * time.Second, 8 * time.Second},
		{"second error", e, "/error", 2, worker.Ack, "pending", imaging.CodeSourceUnavailable, 8 * time.Second, 16 * time.Second},
		{"third error", e, "/error", 3, worker.Ack, "pending", imaging.CodeSourceUnavailable, 10 * time.Second, 20 * time.Second},
		{"last error", other, "/error", 5, worker.DeadLetter, "failed", imaging.CodeSourceUnavailable, 0, 0},
		{"asked to wait", other, "/busy", 1, worker.Ack, "pending", imaging.CodeSourceUnavailable, 10 * time.Minute, 10 * time.Minute},
		{"too many attempts", e, "/photo", 6, worker.DeadLetter, "failed", imaging.CodeWorkerCrashed, 0, 0},
		{"no store", down, "/logo", 1, worker.Ack, "pending", imaging.CodeStoreUnavailable, time.Second, 2 * time.Second},
		{"no store, last attempt", down, "/logo", 5, worker.Ack, "pending", imaging.CodeStoreUnavailable, time.Second, 2 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := test.env.jobs.add(t, test.env.web.URL+test.path, test.attempt)
			if got := test.env.handle(t.Context(), t, job); got != test.want {
				t.Errorf("verdict %d, want %d", got, test.want)
			}
			row := test.env.jobs.row(t, job)
			if row.Status != test.status || row.Code != string(test.code) || row.Attempts != test.attempt ||
				row.Ours != (test.env == down) {
				t.Errorf("%+v", row)
			}
			if row.RetryIn < test.from || row.RetryIn > test.to {
				t.Errorf("waits %v, want %v to %v", row.RetryIn, test.from, test.to)
			}
			if test.status == "pending" {
				return
			}
			// The failure has been settled, so nothing is left to do.
			if got := test.env.handle(t.Context(), t, job); got != worker.Ack {
				t.Errorf("verdict of the second delivery is %d", got)
			}
		})
	}
}

func TestHandleMessages(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, sources, options{})
	for _, body := range []string{"", "{", "null", "[]", `{"v":2}`, `{"v":1,"image_id":"x"}`, `{"v":1,"generation":1}`} {
		if got := e.Handle(t.Context(), []byte(body)); got != worker.DeadLetter {
			t.Errorf("%q: verdict %d", body, got)
		}
	}
	job := e.jobs.add(t, e.web.URL+"/logo", 1)
	job.Generation = 2
	if got := e.handle(t.Context(), t, job); got != worker.Ack {
		t.Errorf("verdict of another generation's job is %d", got)
	}
}

// Many jobs at once share one memory budget, and all of them finish.
func TestHandleManyAtOnce(t *testing.T) {
	t.Parallel()
	file := imagingtest.JPEG(imagingtest.Graphic(900, 600), 90, 1)
	e := newEnvironment(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Join([][]byte{file, []byte(r.URL.Path)}, nil)) // a digest of its own
	}, options{worker: worker.Config{Process: process.Config{MemoryBudget: 24 << 20}}})
	const n = 12
	list := make([]imaging.Job, n)
	verdicts := make(chan worker.Verdict, n)
	for i := range list {
		list[i] = e.jobs.add(t, fmt.Sprintf("%s/%d", e.web.URL, i), 1)
		go func() { verdicts <- e.handle(t.Context(), t, list[i]) }()
	}
	for range n {
		if got := <-verdicts; got != worker.Ack {
			t.Errorf("verdict %d", got)
		}
	}
	for _, job := range list {
		if row := e.jobs.row(t, job); row.Status != "ready" {
			t.Errorf("%+v", row)
		}
	}
}

// The same bytes are decoded and stored once for a product.
func TestHandleDecodesTheSameBytesOnce(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	e := newEnvironment(t, sources, options{registry: reg})
	first := e.jobs.add(t, e.web.URL+"/photo", 1)
	e.handle(t.Context(), t, first)
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
	want := e.jobs.row(t, first)
	if want.Status != "ready" || decodings() != 1 {
		t.Fatalf("%+v, decoded %d times", want, decodings())
	}
	for _, name := range []string{"same pipeline version", "another pipeline version"} {
		second := e.jobs.add(t, e.web.URL+"/photo?again", 1)
		if _, err := e.jobs.db.Exec(`UPDATE jobs SET product = (SELECT product FROM jobs WHERE id = $2) WHERE id = $1`, second.ImageID, first.ImageID); err != nil {
			t.Fatal(err)
		}
		times := uint64(1)
		if name == "another pipeline version" {
			times = 2
			if _, err := e.jobs.db.Exec(`UPDATE jobs SET result = jsonb_set(result, '{PipelineVersion}', '"another"') WHERE status = 'ready'`); err != nil {
				t.Fatal(err)
			}
		}
		e.handle(t.Context(), t, second)
		got := e.jobs.row(t, second)
		if diff := cmp.Diff(want.Result, got.Result); diff != "" || got.Status != "ready" {
			t.Errorf("%s: %s (-first +second):\n%s", name, got.Status, diff)
		}
		if n := decodings(); n != times {
			t.Errorf("%s: decoded %d times, want %d", name, n, times)
		}
		if _, err := e.jobs.db.Exec(`DELETE FROM jobs WHERE id = $1`, second.ImageID); err != nil {
			t.Fatal(err)
		}
	}
}
