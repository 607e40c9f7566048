package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/bench/contract/conform"
	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product/account"
	"vitrine/product/catalogue"
	"vitrine/product/deadletter"
	"vitrine/product/event"
	"vitrine/product/job"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
	"vitrine/product/web"
	"vitrine/product/web/admission"
	"vitrine/product/web/contract"
	"vitrine/product/web/problem"
)

// owner is the id of no user or product.
const (
	ownerID = 9007199254740991
	owner   = "9007199254740991"
)

// anyUUID is the id of nothing.
const anyUUID = "0192f5a4-7c1e-7cc3-8a5b-0123456789ab"

// number is the id of a user or product as JSON decodes it.
func number(id string) float64 {
	n, err := strconv.ParseFloat(id, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// server is the API behind a real listener, with what it logs and counts.
type server struct {
	url     string
	logs    *logBuffer
	metrics *prometheus.Registry
}

// serve starts the API for one test.
func serve(t *testing.T, cfg web.Config, services web.Services) *server {
	t.Helper()
	logs, metrics := &logBuffer{}, prometheus.NewRegistry()
	logger := logrus.New()
	logger.SetOutput(logs)
	logger.SetFormatter(&logrus.JSONFormatter{})
	logger.SetLevel(logrus.DebugLevel)
	handler := web.New(cfg, services, logger, metrics)
	listener := httptest.NewUnstartedServer(handler)
	limits := admission.NewServer("", handler, logger)
	limits.Addr = listener.Config.Addr
	listener.Config = limits
	listener.Start()
	t.Cleanup(listener.Close)
	return &server{url: listener.URL, logs: logs, metrics: metrics}
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

// text is the string at the body's member.
func (a answer) text(member string) string {
	s, _ := a.body[member].(string)
	return s
}

// data is the body's data if it is an object.
func (a answer) data() map[string]any {
	d, _ := a.body["data"].(map[string]any)
	return d
}

var client = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call makes a request. Headers are name, value pairs; a body without a
// Content-Type among them is JSON. It may be used by several goroutines: what goes
// wrong on the way is noted with t and returns an empty answer.
func (s *server) call(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header[http.CanonicalHeaderKey(headers[i])] = []string{headers[i+1]}
	}
	return s.do(t, req)
}

// documented is what every answer is held to.
var documented = func() *conform.Contract {
	c, err := conform.New(contract.Load().JSON())
	if err != nil {
		panic(err)
	}
	return c
}()

func (s *server) do(t *testing.T, req *http.Request) answer {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v", req.Method, req.URL, err)
		return answer{}
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, header: res.Header}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		t.Errorf("%s %s: %v", req.Method, req.URL, err)
	}
	if err := documented.Check(req.Method, req.URL.EscapedPath(), conform.Answer{Status: a.status, Header: a.header, Body: a.raw}); err != nil {
		t.Errorf("%s %s is not answered as documented: %v", req.Method, req.URL, err)
	}
	if len(a.raw) > 0 && strings.Contains(a.header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			t.Errorf("%s %s answered no JSON object: %q", req.Method, req.URL, a.raw)
		}
	}
	return a
}

// wantProblem checks an answer that is no success, in full.
func wantProblem(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.text("code") != code {
		t.Errorf("got %d %q, want %d %q: %s", a.status, a.text("code"), status, code, a.raw)
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%d %s has Content-Type %q", status, code, got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%d %s has Cache-Control %q", status, code, got)
	}
	known, _ := problem.KindOf(code)
	if a.text("type") != "/docs/problems/"+code || a.text("title") != known.Title || known.Status != status ||
		a.text("detail") == "" || a.text("message") != a.text("detail") ||
		a.text("request_id") == "" || a.text("request_id") != a.header.Get("X-Request-ID") || a.body["status"] != float64(status) {
		t.Errorf("%d %s is incomplete: %s", status, code, a.raw)
	}
}

// faults are the places and codes of a problem's errors.
func (a answer) faults() map[string]string {
	faults := map[string]string{}
	list, _ := a.body["errors"].([]any)
	for _, entry := range list {
		f, _ := entry.(map[string]any)
		code, _ := f["code"].(string)
		for _, place := range []string{"pointer", "parameter", "header"} {
			if at, ok := f[place].(string); ok {
				faults[at] = code
			}
		}
	}
	return faults
}

// logBuffer keeps log lines and lets a test wait for one.
type logBuffer struct {
	mu    sync.Mutex
	lines bytes.Buffer
	woken chan struct{}
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.woken != nil {
		close(b.woken)
		b.woken = nil
	}
	return b.lines.Write(line)
}

// find returns the lines so far with this message and request id, and a channel
// that is closed at the next line. An empty id stands for every one.
func (b *logBuffer) find(t *testing.T, message, requestID string) ([]map[string]any, <-chan struct{}) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []map[string]any
	for line := range bytes.Lines(b.lines.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("a log line is no JSON: %q", line)
		}
		if fields["msg"] == message && (requestID == "" || fields["request_id"] == requestID) {
			found = append(found, fields)
		}
	}
	if b.woken == nil {
		b.woken = make(chan struct{})
	}
	return found, b.woken
}

// all returns the lines so far with this message.
func (b *logBuffer) all(t *testing.T, message string) []map[string]any {
	t.Helper()
	lines, _ := b.find(t, message, "")
	return lines
}

// wait returns the first line with this message and request id: the access log is
// written after the answer has gone out.
func (b *logBuffer) wait(t *testing.T, message, requestID string) map[string]any {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		found, next := b.find(t, message, requestID)
		if len(found) > 0 {
			return found[0]
		}
		select {
		case <-next:
		case <-timeout:
			t.Fatalf("no log line %q for request %q", message, requestID)
		}
	}
}

// text returns all that was logged so far.
func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

func objectURL(key string) string { return "http://objects.example/" + key }

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// newServices returns the real services over a database and a cache.
func newServices(store *postgres.DB, cache catalogue.Cache, url func(string) string) web.Services {
	outbox, events := outbox.New(store), event.NewLog(store)
	catalogue := catalogue.New(store, outbox, events, cache, url, quiet())
	return web.Services{
		Catalogue: catalogue, Accounts: account.New(store, outbox, cache, quiet()), Events: events,
		Jobs: job.New(store, catalogue, outbox.Free), DeadLetters: deadletter.New(store, catalogue, quiet()),
	}
}

// newService returns the real services on a schema and a part of Redis of their own.
func newService(t testing.TB) web.Services {
	t.Helper()
	return newServices(testenv.Database(t), newCache(t), objectURL)
}

// newCache is a running cache that trusts Redis already.
func newCache(t testing.TB) *cache.Cache {
	t.Helper()
	return newCacheWith(t, cache.Config{Probe: 100 * time.Millisecond, Timeout: 1400 * time.Millisecond}) // for a busy machine
}

func newCacheWith(t testing.TB, cfg cache.Config) *cache.Cache {
	t.Helper()
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Fatal("REDIS_URL is not set: start the servers with `make up` and run the tests with `make test`")
	}
	cfg.URL, cfg.Prefix = url, "test:"+uuid.NewString()+":"
	c, err := cache.New(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("cache: %v", err)
		}
		c.Close()
	})
	waitTrusted(t, c)
	return c
}

// waitTrusted waits until the cache may be read.
func waitTrusted(t testing.TB, c *cache.Cache) {
	t.Helper()
	eventually(t, "the cache is trusted: is Redis up (`make up`)?", c.Trusted)
}

// eventually waits for a state that nobody signals.
func eventually(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never reached: %s", what)
		}
	}
}
