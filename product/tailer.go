package product

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// Tailer reads the event log for all who wait for changes in its process: one
// query for a batch of events, however many they are, and none while there is
// nobody.
type Tailer struct {
	store *Store
	hub   *hub
	wake  <-chan struct{}
	log   *logrus.Logger
}

// NewTailer makes the tailer of a service. wake says that there may be new events
// ([Listener.Events]); where it is nil, or a notification is lost, a poll every
// second finds them.
func NewTailer(service *Service, wake <-chan struct{}, log *logrus.Logger) *Tailer {
	return &Tailer{store: service.store, hub: service.hub, wake: wake, log: log}
}

// Run reads until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	down := false
	for {
		err := t.pass(ctx)
		if err != nil && ctx.Err() == nil && !down {
			t.log.WithError(err).Warn("event tailer is held up")
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-t.hub.wake:
		case <-poll.C:
		}
	}
}

// pass hands out what is new, and lets in those who came before it began: that
// the log could be read after their coming is what they are promised.
func (t *Tailer) pass(ctx context.Context) error {
	position, following, wanted, joining := t.hub.look()
	if !wanted {
		return nil
	}
	err := t.read(ctx, position, following)
	t.hub.admit(joining, err)
	return err
}

func (t *Tailer) read(ctx context.Context, position int64, following bool) error {
	if !following {
		last, err := t.store.lastEvent(ctx)
		if err == nil {
			t.hub.begin(last)
		}
		return err
	}
	for n := tailBatch; n == tailBatch; {
		events, err := t.store.tail(ctx, position)
		if err != nil {
			return err
		}
		if n = len(events); n > 0 {
			t.hub.hand(events)
			position = events[n-1].Position
		}
	}
	return nil
}
