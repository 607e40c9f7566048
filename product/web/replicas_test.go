package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/event"
	"vitrine/product/web"
)

// replica is one of several processes on the same servers, with its part of the event log.
type replica struct {
	*server
	t        *testing.T
	service  web.Services
	database *testenv.Proxy
	stop     chan struct{} // closed when the test stops the process
}

// newReplicas starts n replicas on a fresh schema.
func newReplicas(t *testing.T, n int, cfg web.Config) (replicas []*replica, dsn string) {
	t.Helper()
	dsn = testenv.DSN(t)
	c := newCache(t)
	for range n {
		through, database := testenv.ProxyURL(t, dsn)
		r := &replica{t: t, database: database, stop: make(chan struct{})}
		store := testenv.Open(t, through)
		t.Cleanup(r.database.Refuse) // before the database is closed, which would wait for a frozen server
		r.service = newServices(store, c, objectURL)
		testenv.RunEventLog(t, through, r.service.Events.(*event.Log))
		cfg := cfg
		cfg.Stopping = r.stop
		r.server = serve(t, cfg, r.service)
		replicas = append(replicas, r)
	}
	return replicas, dsn
}

// pending creates a product with an image that no worker fetches.
func (r *replica) pending(user string) (id string, image uuid.UUID) {
	r.t.Helper()
	a := r.call(r.t, http.MethodPost, "/products",
		fmt.Sprintf(`{"user_id":%s,"product_name":"Lamp","product_price":1,"product_images":["https://a.example/1"]}`, user))
	if a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.raw)
	}
	images, _ := a.data()["images"].([]any)
	first, _ := images[0].(map[string]any)
	return fmt.Sprint(a.data()["id"]), uuid.MustParse(fmt.Sprint(first["id"]))
}

// fail makes an image fail, which makes two versions of its product.
func (r *replica) fail(image uuid.UUID) {
	r.t.Helper()
	jobs := r.service.Jobs
	claim, err := jobs.Claim(r.t.Context(), imaging.Job{ImageID: image, Generation: 1}, "worker-1", time.Minute)
	if err == nil {
		err = jobs.Settle(r.t.Context(), claim, imaging.Outcome{
			Stage: imaging.StageFetch, Started: time.Now(),
			Err: &imaging.Error{Code: imaging.CodeSourceNotFound, Stage: imaging.StageFetch, Detail: "the source answered 404"},
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// gauge returns the value of a metric without labels.
func (s *server) gauge(t *testing.T, name string) float64 {
	t.Helper()
	return gauge(t, s.metrics, name)
}

// stream is a client of GET /events.
type stream struct {
	t      *testing.T
	header http.Header
	lines  *bufio.Reader
	body   io.ReadCloser
	leave  context.CancelFunc
	id     string // of the last event, or the id that the server has sent since
}

// message is an event of the stream.
type message struct{ event, id, data string }

// follow opens a stream, which is closed when the test ends.
func (s *server) follow(t *testing.T, query string, headers ...string) *stream {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	// Reading fails if an event does not arrive in time.
	hurry := time.AfterFunc(60*time.Second, leave)
	t.Cleanup(func() { hurry.Stop(); _ = res.Body.Close() })
	return &stream{t: t, header: res.Header, lines: bufio.NewReader(res.Body), body: res.Body, leave: leave}
}

// block reads up to the next blank line (HTML Living Standard, section 9.2.6).
func (s *stream) block() (m message, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return message{}, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			if m.id != "" {
				s.id = m.id
			}
			return m, nil
		case name == "event":
			m.event = value
		case name == "id":
			m.id = value
		case name == "data":
			m.data += value
		}
	}
}

// next reads the next event.
func (s *stream) next() (message, error) {
	for {
		if m, err := s.block(); err != nil || m.data != "" {
			return m, err
		}
	}
}

// ready reads until the client knows its position in the log.
func (s *stream) ready() *stream {
	s.t.Helper()
	for s.id == "" {
		if _, err := s.block(); err != nil {
			s.t.Fatal(err)
		}
	}
	return s
}

// expect reads the next event, and fails the test if the stream ends.
func (s *stream) expect() message {
	s.t.Helper()
	m, err := s.next()
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}
