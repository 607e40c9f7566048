package event

import (
	"context"
	"fmt"
	"time"

	"vitrine/product"
	"vitrine/product/postgres"
)

// Subscription receives the events of a filter as they happen. It is for one reader.
type Subscription struct {
	hub      *hub
	scope    product.Scope
	filter   Filter
	events   chan *Event
	admitted chan error
	position int64
}

// Subscribe returns a subscription to the events after its Position, which is the end of
// the log at some moment during the call. The caller must close it. Subscribe needs a
// running [Tailer] and returns [product.ErrUnavailable] if the tailer cannot read the log.
func (s *Log) Subscribe(ctx context.Context, scope product.Scope, f Filter) (*Subscription, error) {
	sub := &Subscription{
		hub: s.hub, scope: scope, filter: f, events: make(chan *Event, subscriptionBuffer), admitted: make(chan error, 1),
	}
	s.hub.join(sub)
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

// Position returns the position after which the subscription begins.
func (s *Subscription) Position() int64 { return s.position }

// Events returns the channel of events, in the order of the log. The channel is closed
// if the reader lags more than 1,024 events behind, or if events were purged before
// they could be sent.
func (s *Subscription) Events() <-chan *Event { return s.events }

// Reached returns a position up to which every event of the subscription has been sent
// to the channel. It returns 0 after the channel has been closed.
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
