package product

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// sequencePause is the least time between two batches: under load one transaction
// then serves many changes, where each would cost a commit of its own.
const sequencePause = 10 * time.Millisecond

// Sequencer gives committed changes their places in the event log. Every replica
// runs one, for its own changes at once and for those that a replica left behind
// when it ended; they take turns.
type Sequencer struct {
	store   *Store
	changed <-chan struct{}
	log     *logrus.Logger
}

// NewSequencer makes the sequencer of a service's changes.
func NewSequencer(service *Service, log *logrus.Logger) *Sequencer {
	return &Sequencer{store: service.store, changed: service.changed, log: log}
}

// Run works until ctx ends.
func (s *Sequencer) Run(ctx context.Context) error {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	down := false
	for ctx.Err() == nil {
		err := s.pass(ctx)
		if err != nil && ctx.Err() == nil && !down {
			s.log.WithError(err).Warn("event sequencer is held up")
		}
		down = err != nil
		pause(ctx, sequencePause)
		select {
		case <-ctx.Done():
		case <-s.changed:
		case <-poll.C:
		}
	}
	return nil
}

// pass empties the inbox. It looks before it locks: most passes of a poll find
// nothing.
func (s *Sequencer) pass(ctx context.Context) error {
	has, err := s.store.hasUnnumbered(ctx)
	for n := numberBatch; err == nil && has && n == numberBatch; {
		n, err = s.store.numberEvents(ctx)
	}
	return err
}
