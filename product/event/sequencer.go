package event

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/product/postgres"
)

// sequencePause is the minimum time between two batches. Under load, one transaction
// then numbers many changes instead of one each.
const sequencePause = 10 * time.Millisecond

// Sequencer gives committed changes their positions in the event log. Every replica runs
// one: it numbers the replica's own changes at once, and those of a replica that has
// ended at its next poll. A lock lets one replica work at a time.
type Sequencer struct {
	events *Log
	log    *logrus.Logger
}

// NewSequencer returns a sequencer of the log.
func NewSequencer(events *Log, log *logrus.Logger) *Sequencer {
	return &Sequencer{events: events, log: log}
}

// Run numbers changes until ctx ends. It returns nil.
func (s *Sequencer) Run(ctx context.Context) error {
	return postgres.Poll(ctx, postgres.PollInterval, s.log, "Event sequencer cannot reach PostgreSQL", func(ctx context.Context) (bool, error) {
		err := s.pass(ctx)
		postgres.Pause(ctx, sequencePause)
		return false, err
	}, s.events.changed)
}

// pass empties the inbox. It checks before it locks, because most polls find nothing.
func (s *Sequencer) pass(ctx context.Context) error {
	has, err := s.events.hasUnnumbered(ctx)
	for n := numberBatch; err == nil && has && n == numberBatch; {
		n, err = s.events.numberEvents(ctx)
	}
	return err
}
