package event

import (
	"context"

	"github.com/sirupsen/logrus"

	"vitrine/product/postgres"
)

// Tailer reads the event log for all subscribers and watchers of its process: one query
// per batch of events, however many of them wait, and none while nobody waits.
type Tailer struct {
	events *Log
	wake   <-chan struct{}
	log    *logrus.Logger
}

// NewTailer returns a tailer of the log. wake signals that new events may exist; it is
// the [postgres.Listener]'s channel for [Channel]. If it is nil or a notification is
// lost, a poll every second finds the events.
func NewTailer(events *Log, wake <-chan struct{}, log *logrus.Logger) *Tailer {
	return &Tailer{events: events, wake: wake, log: log}
}

// Run distributes events until ctx ends. It returns nil.
func (t *Tailer) Run(ctx context.Context) error {
	pass := func(ctx context.Context) (bool, error) { return false, t.pass(ctx) }
	return postgres.Poll(ctx, postgres.PollInterval, t.log, "Event tailer cannot reach PostgreSQL", pass, t.wake, t.events.hub.wake)
}

// pass distributes new events and then admits the subscribers that joined before it
// began: an admission promises that the log was readable after they joined.
func (t *Tailer) pass(ctx context.Context) error {
	position, following, wanted, joining := t.events.hub.look()
	if !wanted {
		return nil
	}
	err := t.read(ctx, position, following)
	t.events.hub.admit(joining, err)
	return err
}

// read distributes the events after position, or looks up the position to begin with.
func (t *Tailer) read(ctx context.Context, position int64, following bool) error {
	if !following {
		last, err := t.events.lastEvent(ctx)
		if err == nil {
			t.events.hub.begin(last)
		}
		return err
	}
	for n := tailBatch; n == tailBatch; {
		events, err := t.events.tail(ctx, position)
		if err != nil {
			return err
		}
		if n = len(events); n > 0 {
			t.events.hub.distribute(events)
			position = events[n-1].Position
		}
	}
	return nil
}
