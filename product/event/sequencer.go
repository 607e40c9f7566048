package event

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/product/postgres"
)

// sequencePause is the least time between two batches: under load one transaction
// then serves many changes, where each would cost a commit of its own.
const sequencePause = 10 * time.Millisecond

// Sequencer gives committed changes their places in the event log. Every replica
// runs one, for its own changes at once and for those that a replica left behind
// when it ended; they take turns.
type Sequencer struct {
	events *Log
	log    *logrus.Logger
}

// NewSequencer makes the sequencer of a service's changes.
func NewSequencer(events *Log, log *logrus.Logger) *Sequencer {
	return &Sequencer{events: events, log: log}
}

// Run works until ctx ends.
func (s *Sequencer) Run(ctx context.Context) error {
	return postgres.Poll(ctx, postgres.PollInterval, s.log, "Event sequencer cannot reach PostgreSQL", func(ctx context.Context) (bool, error) {
		err := s.pass(ctx)
		postgres.Pause(ctx, sequencePause)
		return false, err
	}, s.events.changed)
}

// pass empties the inbox. It looks before it locks: most passes of a poll find
// nothing.
func (s *Sequencer) pass(ctx context.Context) error {
	has, err := s.events.hasUnnumbered(ctx)
	for n := numberBatch; err == nil && has && n == numberBatch; {
		n, err = s.events.numberEvents(ctx)
	}
	return err
}
