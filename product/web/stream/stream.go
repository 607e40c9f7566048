// Package stream sends the events of products to a client as server-sent events (HTML
// Living Standard, section 9.2): those of the log after the client's position, then new
// ones, with heartbeats, until the client disconnects or may not see them any more.
//
// Of the project, it imports the product packages only. Begin with [Open].
package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"vitrine/product"
	"vitrine/product/event"
)

const (
	// streamWriteTimeout is how long a client may take to receive one batch.
	streamWriteTimeout = 5 * time.Second
	// recheckAccess is how often the caller of a stream is checked. With the time for
	// which a check is valid, a revoked key ends its streams within five seconds.
	recheckAccess = 2 * time.Second
	// eventBatch is the largest number of events in one batch.
	eventBatch = 256
)

// The reasons why streams end.
const (
	endClient   = "client"   // it disconnected, or did not receive a batch in time
	endSlow     = "slow"     // it was too far behind
	endStopping = "stopping" // the process is about to end
	endAccess   = "access"   // the caller may not see the events any more
	endFailure  = "failure"  // the database is unavailable
)

// Source has the events of products.
type Source interface {
	Events(ctx context.Context, scope product.Scope, f event.Filter, after int64) (event.Page, error)
	Subscribe(ctx context.Context, scope product.Scope, f event.Filter) (*event.Subscription, error)
}

// Config is what a stream needs.
type Config struct {
	Source    Source
	Scope     product.Scope
	Filter    event.Filter
	Resumes   bool                      // after Position; else the stream begins with new events
	Position  int64                     // the client has all events up to here
	Check     func(*http.Request) error // returns nil while the caller may see the events
	Stop      <-chan struct{}           // closed when the process is about to end
	Heartbeat time.Duration             // the longest silence
}

// Stream is one answer of server-sent events.
type Stream struct {
	cfg     Config
	writer  http.ResponseWriter
	control *http.ResponseController
	request *http.Request

	position     int64 // the client has all events up to here
	first        event.Page
	subscription *event.Subscription
	buffer       []byte
	wrote        time.Time
	checked      time.Time // when the caller was last checked
}

// Open finds where the stream begins, while the answer can still be a problem. A client
// that resumes at a position that the log does not have any more is told so, and
// continues at its end. The caller then has to call Close.
func Open(cfg Config, w http.ResponseWriter, r *http.Request) (*Stream, error) {
	s := &Stream{
		cfg: cfg, writer: w, control: http.NewResponseController(w), request: r, position: cfg.Position,
		wrote: time.Now(), checked: time.Now(),
	}
	if cfg.Resumes {
		first, err := s.page()
		if err != nil {
			return nil, err
		}
		if s.first = first; !first.Lost {
			return s, nil
		}
	}
	if err := s.subscribe(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the subscription.
func (s *Stream) Close() {
	if s.subscription != nil {
		s.subscription.Close()
	}
}

func (s *Stream) subscribe() (err error) {
	r := s.request
	if s.subscription, err = s.cfg.Source.Subscribe(r.Context(), s.cfg.Scope, s.cfg.Filter); err != nil {
		return err
	}
	if !s.cfg.Resumes || s.first.Lost {
		s.position = s.subscription.Position()
	}
	return nil
}

func (s *Stream) page() (event.Page, error) {
	return s.cfg.Source.Events(s.request.Context(), s.cfg.Scope, s.cfg.Filter, s.position)
}

// Run streams until the client disconnects, and returns the reason why it ends. r is the
// request with the deadline of the stream.
func (s *Stream) Run(r *http.Request) (reason string) {
	s.request = r
	// Clients that lose a process should not all reconnect at the same time.
	s.buffer = fmt.Appendf(s.buffer, "retry: %d\n\n", 1000+rand.IntN(2000))
	if s.first.Lost {
		s.buffer = fmt.Appendf(s.buffer, "event: reset\nid: %d\ndata: {\"type\":\"reset\"}\n\n", s.position)
	}
	if err := s.flush(); err != nil {
		return endClient
	}
	if reason := s.catchUp(); reason != "" {
		return reason
	}
	return s.follow()
}

// catchUp sends what is in the log to its end, which may take a while, and then what was
// added meanwhile, with the subscription to what follows.
func (s *Stream) catchUp() (reason string) {
	page := s.first
	for s.subscription == nil || s.position < s.subscription.Position() {
		if reason := s.recheckIfDue(); reason != "" {
			return reason
		}
		if page.Position > s.position {
			if err := s.send(page.Events, page.Position); err != nil {
				return endClient
			}
		}
		if s.stopping() {
			return endStopping
		}
		var err error
		if s.subscription == nil && s.position >= page.Last {
			err = s.subscribe()
		} else if page, err = s.page(); err == nil && page.Lost {
			return endSlow // it was pruned meanwhile: the client reconnects and is told
		}
		if err != nil {
			return s.failure(err)
		}
	}
	return ""
}

// recheck checks the caller again. It returns the reason why the stream ends, or "".
func (s *Stream) recheck() (reason string) {
	s.checked = time.Now()
	err := s.cfg.Check(s.request)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, product.ErrUnavailable): // the caller cannot be checked now
		return endFailure
	}
	return endAccess
}

func (s *Stream) recheckIfDue() (reason string) {
	if time.Since(s.checked) <= recheckAccess {
		return ""
	}
	return s.recheck()
}

// failure returns the reason why a stream ends whose events cannot be read.
func (s *Stream) failure(err error) (reason string) {
	if s.request.Context().Err() != nil || errors.Is(err, context.Canceled) {
		return endClient
	}
	return endFailure
}

// follow sends new events.
func (s *Stream) follow() (reason string) {
	heartbeat := s.cfg.Heartbeat
	tick := time.NewTicker(min(recheckAccess, heartbeat))
	defer tick.Stop()
	if err := s.beat(); err != nil { // its id is the position of the client
		return endClient
	}
	for {
		select {
		case e, ok := <-s.subscription.Events():
			if !ok {
				return endSlow
			}
			// With a slow client, the loop may not reach its tick.
			if reason := s.recheckIfDue(); reason != "" {
				return reason
			}
			if err := s.sendAll(e); err != nil {
				return endClient
			}
		case <-tick.C:
			if reason := s.recheck(); reason != "" {
				return reason
			}
			// The next tick would be too late.
			if time.Since(s.wrote)+min(recheckAccess, heartbeat) > heartbeat {
				if err := s.beat(); err != nil {
					return endClient
				}
			}
		case <-s.cfg.Stop:
			return endStopping
		case <-s.request.Context().Done():
			return endClient
		}
	}
}

// sendAll sends an event and those queued after it.
func (s *Stream) sendAll(e *event.Event) error {
	events := []*event.Event{e}
	for len(events) < eventBatch {
		select {
		case e, ok := <-s.subscription.Events():
			if ok {
				events = append(events, e)
				continue
			}
		default:
		}
		break
	}
	return s.send(events, events[len(events)-1].Position)
}

// beat keeps the connection alive. Its id advances the client's position past events
// that are not for it, so that the log keeps the position of a quiet stream; without
// data, clients do not see an event.
func (s *Stream) beat() error {
	reached := s.subscription.Reached()
	for len(s.subscription.Events()) > 0 {
		e, ok := <-s.subscription.Events()
		if !ok {
			break
		}
		if err := s.sendAll(e); err != nil {
			return err
		}
	}
	s.position = max(s.position, reached)
	s.buffer = fmt.Appendf(s.buffer, ":\nid: %d\n\n", s.position)
	return s.flush()
}

// send sends the events that the client does not have yet; it then has everything up to
// position.
func (s *Stream) send(events []*event.Event, position int64) error {
	for _, e := range events {
		if e.Position > s.position {
			s.buffer = fmt.Appendf(s.buffer, "event: %s\nid: %d\ndata: %s\n\n", e.Type, e.Position, e.Data)
		}
	}
	s.position = max(s.position, position)
	return s.flush()
}

// flush writes the buffer. A client that does not receive it in time is disconnected.
func (s *Stream) flush() error {
	if len(s.buffer) == 0 {
		return nil
	}
	s.wrote = time.Now()
	if err := s.control.SetWriteDeadline(s.wrote.Add(streamWriteTimeout)); err != nil {
		return err
	}
	_, err := s.writer.Write(s.buffer)
	s.buffer = s.buffer[:0]
	if err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *Stream) stopping() bool {
	select {
	case <-s.cfg.Stop:
		return true
	default:
		return false
	}
}
