package web

import (
	"net/http"
	"strconv"
	"time"

	"vitrine/product"
)

// typeEvents is the type of a stream of server-sent events (HTML Living Standard,
// section 9.2).
const typeEvents = "text/event-stream"

// eventParameters are the names that the query of GET /events may have.
var eventParameters = []string{"product_id", "user_id", "last_event_id"}

// streamEvents answers with the changes of products until the client leaves. A
// product that does not exist, or not for the caller, has no events.
func (a *api) streamEvents(w http.ResponseWriter, r *http.Request) error {
	s, err := a.newEventStream(w, r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		beginEvents(w)
		return nil
	}
	if a.stopping() {
		return retryLater("stopping", "this process is about to end; connect again")
	}
	who := callerOf(r.Context())
	if !a.streams.take(who) {
		return crowded("too_many_streams", "there are as many event streams as this process serves, or serves you; try again later", shedStreams)
	}
	defer a.streams.free(who)
	leavePlace(r.Context())
	s.request = r // in the time that every request has
	defer s.close()
	if err := s.open(); err != nil { //nolint:contextcheck // it uses the request's, which is s.request
		return err
	}
	longer, done := outlast(w, r, 0)
	defer done()
	s.request = longer
	beginEvents(w)
	a.ended.WithLabelValues(s.run()).Inc() //nolint:contextcheck // see open
	return nil
}

// beginEvents sends the header of a stream. Up to here there can be a problem in its
// place.
func beginEvents(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", typeEvents)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects answers would keep the events
	w.WriteHeader(http.StatusOK)
}

// newEventStream reads what the request asks for.
func (a *api) newEventStream(w http.ResponseWriter, r *http.Request) (*eventStream, error) {
	q := parseQuery(r.URL.RawQuery, eventParameters)
	s := &eventStream{
		api: a, control: http.NewResponseController(w), writer: w, wrote: time.Now(), checked: time.Now(),
		filter: product.EventFilter{ProductID: q.number("product_id"), UserID: q.number("user_id")},
	}
	if text, ok := q.values["last_event_id"]; ok {
		if s.position, s.resumes = parsePosition(text); !s.resumes {
			q.fault("last_event_id", "invalid_event_id", "must be the id of an event")
		}
	}
	if len(q.faults) > 0 {
		return nil, badParameters(q.faults)
	}
	// A client that comes back says so in the header, and repeats its first query.
	if values := r.Header.Values("Last-Event-ID"); len(values) > 0 && values[0] != "" {
		if s.position, s.resumes = parsePosition(values[0]); !s.resumes || len(values) > 1 {
			return nil, badHeader("Last-Event-ID", "invalid_event_id", "must be the id of an event")
		}
	}
	return s, nil
}

// parsePosition reads the id of an event.
func parsePosition(text string) (position int64, ok bool) {
	position, err := strconv.ParseInt(text, 10, 64)
	return position, err == nil && position >= 0 && strconv.FormatInt(position, 10) == text
}
