package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/product/web"
	"vitrine/product/web/admission"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	for inbound, kept := range map[string]bool{
		"a":                     true,
		"Az-09._":               true,
		strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false,
		"":                      false,
		"a b":                   false,
		"a\"b":                  false,
		"ä":                     false,
		"{}":                    false,
	} {
		got := s.call(t, http.MethodGet, "/healthz", "", "X-Request-ID", inbound).header.Get("X-Request-ID")
		_, err := uuid.Parse(got)
		if kept && got != inbound || !kept && err != nil {
			t.Errorf("%q: got %q", inbound, got)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["X-Request-Id"] = []string{"one", "two"}
	if got := s.do(t, req).header.Values("X-Request-ID"); len(got) != 1 || got[0] == "one" || got[0] == "two" {
		t.Errorf("two ids: got %q", got)
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	long := "/" + strings.Repeat("ü", 1000)
	for _, c := range []struct {
		id, method, path string
		want             map[string]any
	}{
		{"probe", "GET", "/api/healthz?x=1", map[string]any{"level": "debug", "path": "/api/healthz", "route": "/healthz", "status": 200.0, "bytes": 16.0}},
		{"wrong", "GET", "/products/%20x?token=secret", map[string]any{"level": "info", "path": "/products/ x", "route": "/products/{id}", "status": 404.0, "code": "not_found"}},
		{"lost", "GET", "/nowhere/%0aforged", map[string]any{"level": "info", "path": "/nowhere/\nforged", "route": "unmatched", "status": 404.0, "code": "no_such_route"}},
		{"long", "GET", long, map[string]any{"level": "info", "path": long[:511] + "...", "route": "unmatched", "status": 404.0}},
		{"method", "PUT", "/products", map[string]any{"level": "info", "path": "/products", "method": "PUT", "status": 405.0, "code": "method_not_allowed"}},
		{"broken", "GET", "/products/" + owner, map[string]any{"level": "error", "route": "/products/{id}", "status": 500.0, "code": "internal"}},
	} {
		a := s.call(t, c.method, c.path, "", "X-Request-ID", c.id)
		line := s.logs.wait(t, "Request processed", c.id)
		if line["bytes"] != float64(len(a.raw)) || line["status"] != float64(a.status) || line["method"] != c.method {
			t.Errorf("%s: the line is not about the answer: %v", c.id, line)
		}
		for name, want := range c.want {
			if line[name] != want {
				t.Errorf("%s: %s is %v, want %v", c.id, name, line[name], want)
			}
		}
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(line["time"])); err != nil {
			t.Errorf("%s: time: %v", c.id, err)
		}
		if ms, ok := line["duration_ms"].(float64); !ok || ms <= 0 || line["client_ip"] != "127.0.0.1" {
			t.Errorf("%s: duration_ms %v, client_ip %v", c.id, line["duration_ms"], line["client_ip"])
		}
		if strings.Contains(fmt.Sprint(line), "secret") {
			t.Errorf("%s: the query is in the log: %v", c.id, line)
		}
		if lines, _ := s.logs.find(t, "Request processed", c.id); len(lines) != 1 {
			t.Errorf("%s: %d lines, want 1", c.id, len(lines))
		}
	}
}

func TestPanicIsA500WithItsStackInTheLogOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{}) // every call of a missing service panics
	a := s.call(t, http.MethodGet, "/products/"+owner, "", "X-Request-ID", "panics")
	wantProblem(t, a, http.StatusInternalServerError, "internal")
	if strings.Contains(string(a.raw), "nil pointer") {
		t.Errorf("the panic is shown: %s", a.raw)
	}
	s.logs.wait(t, "Request processed", "panics")
	lines, _ := s.logs.find(t, "Request panicked", "panics")
	if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "getProduct") {
		t.Errorf("got %d lines with a stack: %v", len(lines), lines)
	}
	if s.call(t, http.MethodGet, "/healthz", "").status != http.StatusOK {
		t.Error("the process does not live on")
	}
}

func TestPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value any
		lines int
	}{"a defect": {"boom", 1}, "meant to": {http.ErrAbortHandler, 0}} {
		logs := &logBuffer{}
		log := logrus.New()
		log.SetOutput(logs)
		log.SetFormatter(&logrus.JSONFormatter{})
		listener := httptest.NewServer(web.Recover(log, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(c.value)
		})))
		res, err := client.Get(listener.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil {
			t.Errorf("%s: half an answer looks whole: %q", name, body)
		}
		listener.Close()
		if lines := logs.all(t, "Request panicked"); len(lines) != c.lines {
			t.Errorf("%s: %d lines, want %d", name, len(lines), c.lines)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	for i, call := range []string{"GET /healthz", "HEAD /api/healthz", "GET /products/x", "GET /api/products/y", "BREW /a", "BREW /b", "GET /" + strings.Repeat("c", 99)} {
		method, path, _ := strings.Cut(call, " ")
		id := fmt.Sprint("call", i)
		s.call(t, method, path, "", "X-Request-ID", id)
		s.logs.wait(t, "Request processed", id) // counted before it is logged
	}
	want := map[string]float64{
		"GET /healthz 2xx": 1, "HEAD /healthz 2xx": 1, "GET /products/{id} 4xx": 2, "other unmatched 4xx": 2, "GET unmatched 4xx": 1,
	}
	if diff := cmp.Diff(want, samples(t, s.metrics, "vitrine_http_requests_total")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, samples(t, s.metrics, "vitrine_http_request_duration_seconds")); diff != "" {
		t.Errorf("durations (-want +got):\n%s", diff)
	}
}

// samples returns the values of a metric by method, route and status.
func samples(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			key := labels["method"] + " " + labels["route"] + " " + labels["status"]
			counts[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return counts
}

// raw sends bytes over a new connection and returns the status and the body of the first
// response.
func raw(t *testing.T, s *server, request string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestRequestsThatNoClientLibrarySends(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{RequestTimeout: 300 * time.Millisecond}, web.Services{})
	const post = "POST /products HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"body that never comes":   {post + "Content-Length: 10\r\n\r\n{", 408, "request_timeout"},
		"chunk that never comes":  {post + "Transfer-Encoding: chunked\r\n\r\n5\r\n{", 408, "request_timeout"},
		"broken chunks":           {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "unreadable_body"},
		"too long to be read":     {post + "Content-Length: 1048577\r\n\r\n", 413, "body_too_large"},
		"no content type":         {"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 415, "unsupported_media_type"},
		"two content types":       {post + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 415, "unsupported_media_type"},
		"no body":                 {post + "\r\n", 400, "empty_body"},
		"HTTP/1.0":                {"POST /products HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 422, "validation_failed"},
		"absolute form":           {"GET http://a/products/x HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
		"connect":                 {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 404, "no_such_route"},
		"bytes in query":          {"GET /products?product_name=\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_parameters"},
		"bytes in path":           {"GET /products/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
		"NUL in path":             {"GET /products/%00 HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
		"slash in id":             {"GET /products/%2f HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
		"NUL in query":            {"GET /products?user_id=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_parameters"},
		"continue that we refuse": {"POST /products HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 415, "unsupported_media_type"},
		"header of 40 KiB":        {"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", 431, ""},
		"no host":                 {"GET /healthz HTTP/1.1\r\n\r\n", 400, ""},
		"no HTTP":                 {"hello\r\n\r\n", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := raw(t, s, c.request)
			if status != c.status || !strings.Contains(body, c.code) {
				t.Errorf("got %d %q, want %d %s", status, body, c.status, c.code)
			}
		})
	}
}

func TestServerLimits(t *testing.T) {
	t.Parallel()
	logs := &logBuffer{}
	log := logrus.New()
	log.SetOutput(logs)
	log.SetFormatter(&logrus.JSONFormatter{})
	srv := admission.NewServer("127.0.0.1:0", http.NotFoundHandler(), log)
	srv.ErrorLog.Print("http: TLS handshake error")
	if line := logs.wait(t, "HTTP server message", ""); line["detail"] != "http: TLS handshake error" || line["level"] != "warning" {
		t.Errorf("log line %v", line)
	}
	got := []time.Duration{srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout, time.Duration(srv.MaxHeaderBytes)}
	want := []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, 90 * time.Second, 32 << 10}
	if diff := cmp.Diff(want, got); diff != "" || srv.Addr != "127.0.0.1:0" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}
