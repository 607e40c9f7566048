package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
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

// owner is an id that no user or product has.
const (
	ownerID = 9007199254740991
	owner   = "9007199254740991"
)

// anyUUID is an id that nothing has.
const anyUUID = "0192f5a4-7c1e-7cc3-8a5b-0123456789ab"

// number returns the id of a user or product as encoding/json decodes it.
func number(id string) float64 {
	n, err := strconv.ParseFloat(id, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// server is the API behind a real listener, with its log and its metrics.
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

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

// text returns the string in a member of the body.
func (a answer) text(member string) string {
	s, _ := a.body[member].(string)
	return s
}

// data returns the data in the body if it is an object.
func (a answer) data() map[string]any {
	d, _ := a.body["data"].(map[string]any)
	return d
}

var client = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call makes a request. headers are pairs of names and values; without a Content-Type among
// them, the body is JSON. If there is no response, call reports an error and returns an empty
// answer. Safe for concurrent use.
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

// documented is the contract that every response is checked against.
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

// wantProblem checks every member of a problem.
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

// faults returns the codes of a problem's errors by their pointer, parameter or header.
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

// find returns the lines so far with a message and a request id, and a channel that is closed
// at the next line. An empty id matches every line.
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

// all returns the lines so far with a message.
func (b *logBuffer) all(t *testing.T, message string) []map[string]any {
	t.Helper()
	lines, _ := b.find(t, message, "")
	return lines
}

// wait waits for the first line with a message and a request id. The access log is written
// after the response has been sent.
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

// text returns the log so far.
func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

func objectURL(key string) string { return "http://objects.example/" + key }

// newServices returns the services on a database and a cache.
func newServices(store *postgres.DB, cache catalogue.Cache, url func(string) string) web.Services {
	outbox, events := outbox.New(store), event.NewLog(store)
	catalogue := catalogue.New(store, outbox, events, cache, url, testenv.Quiet())
	return web.Services{
		Catalogue: catalogue, Accounts: account.New(store, outbox, cache, testenv.Quiet()), Events: events,
		Jobs: job.New(store, catalogue, outbox.Free), DeadLetters: deadletter.New(store, catalogue, testenv.Quiet()),
	}
}

// newService returns the services on a schema and a part of Redis of their own.
func newService(t testing.TB) web.Services {
	t.Helper()
	return newServices(testenv.Database(t), newCache(t), objectURL)
}

// newCache returns a running cache that trusts Redis, with a prefix of its own.
func newCache(t testing.TB) *cache.Cache {
	t.Helper()
	return testenv.OpenCache(t, testenv.RedisURL(t), "test:"+uuid.NewString()+":", nil)
}
