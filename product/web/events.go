package web

import (
	"net/http"
	"strconv"

	"vitrine/product/event"
	"vitrine/product/web/access"
	"vitrine/product/web/admission"
	"vitrine/product/web/problem"
	"vitrine/product/web/query"
	"vitrine/product/web/stream"
)

// typeEvents is the type of server-sent events (HTML Living Standard, section 9.2).
const typeEvents = "text/event-stream"

// eventParameters are the names that the query of GET /events may have.
var eventParameters = []string{"product_id", "user_id", "last_event_id"}

// streamEvents answers with the changes of products until the client disconnects. A
// product that the caller may not see has no events.
func (a *api) streamEvents(w http.ResponseWriter, r *http.Request) error {
	cfg, err := a.streamConfig(r)
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
	user := access.CallerOf(r).User()
	if !a.streams.Take(user) {
		return admission.NoPermit("too_many_streams", "too many event streams are open; retry later", admission.ShedStreams)
	}
	defer a.streams.Return(user)
	admission.Release(r.Context())
	s, err := stream.Open(cfg, w, r) //nolint:contextcheck // r has the context, with the deadline of every request
	if err != nil {
		return err
	}
	defer s.Close()
	r, done := outlast(w, r, 0)
	defer done()
	beginEvents(w)
	a.ended.WithLabelValues(s.Run(r)).Inc() //nolint:contextcheck // r has the context
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

// streamConfig reads the request.
func (a *api) streamConfig(r *http.Request) (stream.Config, error) {
	q := query.Parse(r.URL.RawQuery, eventParameters)
	cfg := stream.Config{
		Source: a.Events, Scope: access.CallerOf(r).Scope,
		Filter: event.Filter{ProductID: q.Number("product_id"), UserID: q.Number("user_id")},
		Check: func(r *http.Request) error {
			_, err := a.access.Check(r)
			return err
		},
		Stop: a.stop, Heartbeat: a.heartbeat,
	}
	if text, ok := q.Values["last_event_id"]; ok {
		if cfg.Position, cfg.Resumes = parsePosition(text); !cfg.Resumes {
			q.Fault("last_event_id", "invalid_event_id", "must be the id of an event")
		}
	}
	if err := q.Query(); err != nil {
		return cfg, err
	}
	// A client that reconnects sends the header and repeats its first query.
	if values := r.Header.Values("Last-Event-ID"); len(values) > 0 && values[0] != "" {
		if cfg.Position, cfg.Resumes = parsePosition(values[0]); !cfg.Resumes || len(values) > 1 {
			return cfg, problem.OfHeader("Last-Event-ID", "invalid_event_id", "must be the id of an event")
		}
	}
	return cfg, nil
}

// parsePosition reads the id of an event.
func parsePosition(text string) (position int64, ok bool) {
	position, err := strconv.ParseInt(text, 10, 64)
	return position, err == nil && position >= 0 && strconv.FormatInt(position, 10) == text
}
