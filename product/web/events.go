package web

import (
	"net/http"
	"strconv"
	"time"

	"vitrine/product"
	"vitrine/product/web/admission"
	"vitrine/product/web/problem"
)

// typeEvents is the type of server-sent events (HTML Living Standard, section 9.2).
const typeEvents = "text/event-stream"

// eventParameters are the names that the query of GET /events may have.
var eventParameters = []string{"product_id", "user_id", "last_event_id"}

// streamEvents answers with the changes of products until the client disconnects. A
// product that the caller may not see has no events.
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
		return problem.Retry("stopping", "this process is shutting down; connect again")
	}
	user := callerOf(r.Context()).user()
	if !a.streams.Take(user) {
		return admission.NoPermit("too_many_streams", "too many event streams are open; retry later", admission.ShedStreams)
	}
	defer a.streams.Return(user)
	admission.Release(r.Context())
	s.request = r // within the deadline of every request
	defer s.close()
	if err := s.open(); err != nil { //nolint:contextcheck // it uses the context of s.request
		return err
	}
	longer, done := outlast(w, r, 0)
	defer done()
	s.request = longer
	beginEvents(w)
	a.ended.WithLabelValues(s.run()).Inc() //nolint:contextcheck // see open
	return nil
}

// beginEvents sends the header of a stream. Before that, the answer can be a problem.
func beginEvents(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", typeEvents)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that buffers answers would delay the events
	w.WriteHeader(http.StatusOK)
}

// newEventStream reads the request.
func (a *api) newEventStream(w http.ResponseWriter, r *http.Request) (*eventStream, error) {
	q := parseQuery(r.URL.RawQuery, eventParameters)
	s := &eventStream{
		api: a, control: http.NewResponseController(w), writer: w, wrote: time.Now(), checked: time.Now(),
		filter: product.EventFilter{ProductID: q.id("product_id"), UserID: q.id("user_id")},
	}
	if text, ok := q.values["last_event_id"]; ok {
		if s.position, s.resumes = parsePosition(text); !s.resumes {
			q.Fault("last_event_id", "invalid_event_id", "must be the id of an event")
		}
	}
	if err := q.Query(); err != nil {
		return nil, err
	}
	// A client that reconnects sends the header and repeats its first query.
	if values := r.Header.Values("Last-Event-ID"); len(values) > 0 && values[0] != "" {
		if s.position, s.resumes = parsePosition(values[0]); !s.resumes || len(values) > 1 {
			return nil, problem.OfHeader("Last-Event-ID", "invalid_event_id", "must be the id of an event")
		}
	}
	return s, nil
}

// parsePosition reads the id of an event.
func parsePosition(text string) (position int64, ok bool) {
	position, err := strconv.ParseInt(text, 10, 64)
	return position, err == nil && position >= 0 && strconv.FormatInt(position, 10) == text
}
