package event

import (
	"context"

	"github.com/sirupsen/logrus"

	"vitrine/product/postgres"
)

// Tailer reads the event log for all who wait for changes in its process: one
// query for a batch of events, however many they are, and none while there is
// nobody.
type Tailer struct {
	events *Log
	wake   <-chan struct{}
	log    *logrus.Logger
}

// NewTailer makes the tailer of a service. wake says that there may be new events
// ([postgres.Listener.Events]); where it is nil, or a notification is lost, a poll every
// second finds them.
func NewTailer(events *Log, wake <-chan struct{}, log *logrus.Logger) *Tailer {
	return &Tailer{events: events, wake: wake, log: log}
}

// Run reads until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	pass := func(ctx context.Context) (bool, error) { return false, t.pass(ctx) }
	return postgres.Poll(ctx, postgres.PollInterval, t.log, "Event tailer cannot reach PostgreSQL", pass, t.wake, t.events.Hub.wake)
}

// pass hands out what is new, and lets in those who came before it began: that
// the log could be read after their coming is what they are promised.
func (t *Tailer) pass(ctx context.Context) error {
	position, following, wanted, joining := t.events.Hub.look()
	if !wanted {
		return nil
	}
	err := t.read(ctx, position, following)
	t.events.Hub.admit(joining, err)
	return err
}

func (t *Tailer) read(ctx context.Context, position int64, following bool) error {
	if !following {
		last, err := t.events.lastEvent(ctx)
		if err == nil {
			t.events.Hub.begin(last)
		}
		return err
	}
	for n := tailBatch; n == tailBatch; {
		events, err := t.events.tail(ctx, position)
		if err != nil {
			return err
		}
		if n = len(events); n > 0 {
			t.events.Hub.hand(events)
			position = events[n-1].Position
		}
	}
	return nil
}
