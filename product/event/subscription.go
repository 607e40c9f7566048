package event

import (
	"context"
	"fmt"
	"time"

	"vitrine/product"
	"vitrine/product/postgres"
)

// Subscription is the events of a filter as they happen. It is for one reader.
type Subscription struct {
	hub      *hub
	scope    product.Scope
	filter   Filter
	events   chan *Event
	admitted chan error
	position int64
}

// Subscribe gives the events that come after the subscription's Position, which is
// the end of the log at a moment during the call. The caller has to close it.
// It needs a running [Tailer], and gives [product.ErrUnavailable] where that one cannot
// read the log.
func (s *Log) Subscribe(ctx context.Context, scope product.Scope, f Filter) (*Subscription, error) {
	sub := &Subscription{
		hub: s.Hub, scope: scope, filter: f, events: make(chan *Event, subscriptionBuffer), admitted: make(chan error, 1),
	}
	s.Hub.join(sub)
	limit := time.NewTimer(postgres.ReadTimeout)
	defer limit.Stop()
	var err error
	select {
	case err = <-sub.admitted:
	case <-limit.C:
		err = fmt.Errorf("%w: %w", product.ErrUnavailable, errNotTailing)
	case <-ctx.Done():
		err = postgres.Translate(ctx, "wait for the event log", ctx.Err())
	}
	if err != nil {
		sub.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return sub, nil
}

// Position is where the subscription begins: its events come after it.
func (s *Subscription) Position() int64 { return s.position }

// Events are in the order of the log. The channel is closed when the reader is
// more than a thousand events behind, or the log has lost some.
func (s *Subscription) Events() <-chan *Event { return s.events }

// Reached is a position up to which every event of the subscription is in the
// channel or has been taken from it; 0 for one that was cut off.
func (s *Subscription) Reached() int64 {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if !s.hub.subs[s] {
		return 0
	}
	return s.hub.position
}

// Close ends the subscription. It may be called twice.
func (s *Subscription) Close() { s.hub.leave(s) }
