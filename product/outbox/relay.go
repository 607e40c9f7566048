package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"vitrine/product/postgres"
)

const (
	// claimTime is how long a batch belongs to one relay. Its handler has to end
	// earlier, so that no other relay begins the same rows.
	claimTime   = 30 * time.Second
	handlerTime = 20 * time.Second

	// A row that failed waits from rowBackoff to maxRowBackoff. A relay whose whole
	// batch failed assumes that a dependency is down, and waits from relayBackoff to
	// maxRelayBackoff.
	rowBackoff      = time.Second
	maxRowBackoff   = 30 * time.Second
	relayBackoff    = 200 * time.Millisecond
	maxRelayBackoff = 2 * time.Second
)

// RowHandler carries out a batch of rows and returns one error per row, nil if the row is
// done. It may be called again for a row that was done.
type RowHandler func(ctx context.Context, rows []Claimed) []error

// Relay carries out the outbox rows of one kind, each at least once. Any number of relays
// work side by side. A row that fails is repeated until it succeeds.
type Relay struct {
	outbox *Store
	handle RowHandler
	claim  rowClaimer
	ready  func(context.Context) error // nil: always
	wake   <-chan struct{}
	freed  <-chan struct{} // says that held rows may be due; nil if no rows are ever held
	log    *logrus.Entry
}

// rowClaimer takes due rows for claimTime, and returns what to expect next.
type rowClaimer func(ctx context.Context, claim uuid.UUID) ([]Claimed, prospect, error)

// prospect is what a relay can expect after a pass.
type prospect int

const (
	idle prospect = iota // nothing is due
	held                 // due rows have to wait until something else ends
	more                 // there is probably more to do
)

// NewRelay returns a relay that takes up to batch rows at once. wake signals that some
// may be due ([postgres.Listener.Wake]); with nil the relay only polls every second.
func NewRelay(outbox *Store, kind Kind, batch int, handle RowHandler, wake <-chan struct{}, log *logrus.Logger) *Relay {
	r := &Relay{outbox: outbox, handle: handle, wake: wake, log: log.WithField("kind", string(kind))}
	r.claim = func(ctx context.Context, claim uuid.UUID) ([]Claimed, prospect, error) {
		rows, err := outbox.claim(ctx, kind, claim, batch, claimTime)
		if len(rows) == batch {
			return rows, more, err
		}
		return rows, idle, err
	}
	return r
}

// Run handles due rows until ctx ends, and then releases the rows that it has claimed.
func (r *Relay) Run(ctx context.Context) error {
	poll := time.NewTicker(postgres.PollInterval)
	defer poll.Stop()
	failures := 0
	for ctx.Err() == nil {
		done, next, err := r.pass(ctx)
		if err != nil && ctx.Err() == nil {
			if failures == 0 {
				r.log.WithError(err).Warn("Outbox relay failed, retrying")
			}
			failures++
			postgres.Pause(ctx, postgres.Backoff(relayBackoff, maxRelayBackoff, failures))
			continue
		}
		// An empty pass is no success: the failed rows may be waiting.
		if failures > 0 && done > 0 {
			r.log.WithField("passes", failures).Info("Outbox relay recovered")
			failures = 0
		}
		var freed <-chan struct{}
		switch next {
		case more:
			continue
		case held:
			freed = r.freed
		case idle: // jobs that end make no row due
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-freed:
		case <-poll.C:
		}
	}
	return nil
}

// pass does one batch and returns how many of its rows are done. An error means that no row
// of the batch succeeded.
func (r *Relay) pass(ctx context.Context) (n int, next prospect, err error) {
	if r.ready != nil {
		if err := r.ready(ctx); err != nil {
			return 0, idle, err
		}
	}
	claim, err := postgres.NewID()
	if err != nil {
		return 0, idle, err
	}
	rows, next, err := r.claim(ctx, claim)
	if err != nil || len(rows) == 0 {
		return 0, next, err
	}
	done, failed, err := r.sort(ctx, rows, r.call(ctx, rows))
	// Record handled rows even while stopping.
	settle := context.WithoutCancel(ctx)
	if len(done) > 0 {
		if err := r.outbox.finish(settle, claim, done); err != nil {
			return 0, idle, err // the rows come again when the claim ends
		}
	}
	if len(failed) > 0 {
		if err := r.outbox.release(settle, claim, failed); err != nil {
			return 0, idle, err
		}
	}
	if len(done) > 0 {
		return len(done), next, nil
	}
	return 0, idle, err
}

// call calls the handler, and turns a panic into errors.
func (r *Relay) call(ctx context.Context, rows []Claimed) (errs []error) {
	ctx, cancel := context.WithTimeout(ctx, handlerTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.log.WithFields(logrus.Fields{"panic": fmt.Sprint(p), "stack": string(debug.Stack())}).Error("Outbox handler panicked")
			errs = repeat(fmt.Errorf("handler panicked: %v", p), len(rows))
		}
	}()
	errs = r.handle(ctx, rows)
	if len(errs) != len(rows) {
		return repeat(fmt.Errorf("handler returned %d results for %d rows", len(errs), len(rows)), len(rows))
	}
	return errs
}

// sort separates the rows that are done from those that failed, and returns the last
// failure.
func (r *Relay) sort(ctx context.Context, rows []Claimed, errs []error) (done []int64, failed []failure, last error) {
	for i, err := range errs {
		if err == nil {
			done = append(done, rows[i].ID)
			continue
		}
		last = err
		f := retryOf(ctx, rows[i], err)
		f.ID = rows[i].ID
		if f.count > 0 {
			r.log.WithFields(logrus.Fields{
				"outbox_id": rows[i].ID, "attempt": rows[i].Attempts + 1, "request_id": rows[i].RequestID,
			}).WithError(err).Debug("Outbox row failed")
		}
		failed = append(failed, f)
	}
	return done, failed, last
}

// retryOf returns when a failed row is handled again. A row that was not started, or was
// interrupted because the process stops, is due at once, for other replicas too.
func retryOf(ctx context.Context, row Claimed, err error) failure {
	if ctx.Err() != nil || errors.Is(err, errNotReached) {
		return failure{}
	}
	return failure{count: 1, delay: postgres.Backoff(rowBackoff, maxRowBackoff, row.Attempts+1)}
}

// repeat returns n times err.
func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

var errNotReached = errors.New("row was not reached in time")

// Each returns a handler that calls do for each row. Rows that are not reached in time are
// released.
func Each(do func(ctx context.Context, row Claimed) error) RowHandler {
	return func(ctx context.Context, rows []Claimed) []error {
		errs := make([]error, len(rows))
		for i, row := range rows {
			if ctx.Err() != nil {
				errs[i] = errNotReached
				continue
			}
			errs[i] = do(ctx, row)
		}
		return errs
	}
}
