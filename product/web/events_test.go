package web_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/product/web"
)

func TestEventStream(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 2, web.Config{})
	one, other := replicas[0], replicas[1]
	user := newUser(t, one.server)
	all := other.follow(t, "").ready()
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff",
	} {
		if got := all.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	id, image := one.pending(user)
	got := []string{all.expect().event} // a stream begins at the end of the log
	single := one.follow(t, "?product_id="+id+"&user_id="+user).ready()
	quiet := other.follow(t, "?user_id="+owner).ready()
	one.fail(image)
	otherID := newListing(t, other.server, user, "Wall lamp", "2")
	if a := other.call(t, http.MethodDelete, "/products/"+id, ""); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	var gotSingle []string
	for range 4 {
		got = append(got, all.expect().event)
	}
	for range 3 {
		gotSingle = append(gotSingle, single.expect().event)
	}
	if diff := cmp.Diff([]string{"product.created", "image.processing", "image.failed", "product.created", "product.deleted"}, got); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"image.processing", "image.failed", "product.deleted"}, gotSingle); diff != "" {
		t.Errorf("one product's (-want +got):\n%s", diff)
	}

	// Another replica resumes where this one was cut off, from the header or the query.
	resumed := one.follow(t, "?product_id="+otherID+"&last_event_id=99999", "Last-Event-ID", "1")
	m := resumed.expect()
	var data map[string]any
	if err := json.Unmarshal([]byte(m.data), &data); err != nil {
		t.Fatal(err)
	}
	occurred, err := time.Parse(time.RFC3339Nano, data["occurred_at"].(string))
	if err != nil || time.Since(occurred).Abs() > time.Minute {
		t.Errorf("occurred_at %v", data["occurred_at"])
	}
	delete(data, "occurred_at")
	want := map[string]any{
		"type": "product.created", "product_id": number(otherID), "user_id": number(user), "version": 1.0, "image_status": "none",
	}
	if diff := cmp.Diff(want, data); diff != "" || m.id != "4" {
		t.Errorf("event %s (-want +got):\n%s", m.id, diff)
	}
	if m := other.follow(t, "?last_event_id=4").expect(); m.event != "product.deleted" || m.id != "5" {
		t.Errorf("got %+v", m)
	}
	// A filtered stream has not received other events.
	quiet.leave()
	if m, err := quiet.next(); err == nil {
		t.Errorf("another user's event: %+v", m)
	}
}

func TestEventStreamStartsAnewWhereTheLogHasLostEvents(t *testing.T) {
	t.Parallel()
	replicas, dsn := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	user := newUser(t, r.server)
	start := r.follow(t, "").ready()
	newListing(t, r.server, user, "Lamp", "1")
	newListing(t, r.server, user, "Lamp", "1")
	start.expect()
	start.expect()
	execute(t, dsn, `UPDATE event_log SET pruned = 2`)
	execute(t, dsn, `DELETE FROM events`)
	for _, id := range []string{"0", "1", "3"} { // two are too old, one is from another log
		s := r.follow(t, "?last_event_id="+id)
		if m := s.expect(); m != (message{"reset", "2", `{"type":"reset"}`}) {
			t.Errorf("after %s: %+v", id, m)
		}
		s.leave()
	}
	s := r.follow(t, "?last_event_id=2").ready()
	newListing(t, r.server, user, "Lamp", "1")
	if m := s.expect(); m.event != "product.created" || m.id != "3" {
		t.Errorf("got %+v", m)
	}
}

// execute changes rows that otherwise only change with time.
func execute(t *testing.T, dsn, q string, args ...any) {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), q, args...); err != nil {
		t.Fatal(err)
	}
}

func TestEventStreamBeatsWhileNothingHappens(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{Heartbeat: 100 * time.Millisecond, RequestTimeout: 2 * time.Second})
	r := replicas[0]
	s := r.follow(t, "?product_id="+owner)
	s.ready()
	began := s.id
	newListing(t, r.server, newUser(t, r.server), "Lamp", "1")
	// Its position in the log advances although the event was not for it. The stream is
	// older than the limit of other requests.
	for deadline := time.Now().Add(3 * time.Second); s.id == began || time.Now().Before(deadline); {
		if m, err := s.block(); err != nil || m.data != "" {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	if s.id != "1" {
		t.Errorf("moved from %s to %s", began, s.id)
	}
}

func TestEventStreamGoesOnAfterAnOutage(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 2, web.Config{})
	one, other := replicas[0], replicas[1]
	user := newUser(t, other.server)
	s := one.follow(t, "").ready()
	one.database.Refuse()
	wantProblem(t, one.call(t, http.MethodGet, "/events", ""), http.StatusServiceUnavailable, "unavailable")
	newListing(t, other.server, user, "Lamp", "1")
	newListing(t, other.server, user, "Lamp", "1")
	one.database.Accept()
	for _, want := range []string{"1", "2"} {
		if m := s.expect(); m.id != want || m.event != "product.created" {
			t.Errorf("got %+v, want event %s", m, want)
		}
	}
}

func TestEventStreamsAreBounded(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{EventStreams: 1})
	r := replicas[0]
	s := r.follow(t, "").ready()
	a := r.call(t, http.MethodGet, "/events", "")
	wantProblem(t, a, http.StatusServiceUnavailable, "too_many_streams")
	if a.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	if a := r.call(t, http.MethodHead, "/events", ""); a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	s.leave()
	testenv.Eventually(t, "there is room again", func() bool { return r.gauge(t, "vitrine_event_streams") == 0 })
	r.follow(t, "").ready()
}

func TestEventStreamsEndWhenTheProcessStops(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	s := r.follow(t, "").ready()
	close(r.stop)
	if m, err := s.next(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%+v, %v", m, err)
	}
	wantProblem(t, r.call(t, http.MethodGet, "/events", ""), http.StatusServiceUnavailable, "stopping")
}

func TestEventStreamRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{AdminToken: "a long enough token"}, web.Services{})
	auth := []string{"Authorization", "Bearer a long enough token"}
	a := s.call(t, http.MethodGet, "/events?product_id=x&user_id=&last_event_id=-1&since=now", "", auth...)
	wantProblem(t, a, http.StatusBadRequest, "invalid_parameters")
	want := map[string]string{
		"product_id": "invalid_id", "user_id": "invalid_id", "last_event_id": "invalid_event_id", "since": "unknown_parameter",
	}
	if diff := cmp.Diff(want, a.faults()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	for _, id := range []string{"x", "-1", "01", "+1", "1.0", "9223372036854775808"} {
		a := s.call(t, http.MethodGet, "/events?last_event_id=1", "", append([]string{"Last-Event-ID", id}, auth...)...)
		wantProblem(t, a, http.StatusBadRequest, "invalid_event_id")
		if a.faults()["Last-Event-ID"] != "invalid_event_id" {
			t.Errorf("%s: %v", id, a.faults())
		}
	}
	wantProblem(t, s.call(t, http.MethodGet, "/events", ""), http.StatusUnauthorized, "unauthorized")
}

// A client that reads nothing while the log grows is disconnected.
func TestSlowClientIsCutOff(t *testing.T) {
	t.Parallel()
	replicas, dsn := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: a\r\nX-Request-ID: slow\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it is served", func() bool { return r.gauge(t, "vitrine_event_streams") == 1 })
	quick := r.follow(t, "").ready()
	const many = 40_000 // about 10 MB, more than the kernel buffers for a connection
	execute(t, dsn, `INSERT INTO event_inbox (type, product_id, user_id, version, occurred_at)
		SELECT 'product.updated', $1, $1, n, now() FROM generate_series(1, $2) AS n`, ownerID, many)
	// Other clients get every event, with or without reconnecting.
	last := 0
	for last < many {
		m, err := quick.next()
		if err != nil {
			quick = r.follow(t, "", "Last-Event-ID", strconv.Itoa(last))
			continue
		}
		if m.id != strconv.Itoa(last+1) {
			t.Fatalf("event %s after %d", m.id, last)
		}
		last++
	}
	if line := r.logs.wait(t, "Request processed", "slow"); line["status"] != 200.0 {
		t.Errorf("log line %v", line)
	}
}
