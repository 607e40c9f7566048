package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"
)

// PollInterval is how often a loop looks for work that no signal announced.
const PollInterval = time.Second

// Poll calls pass until ctx ends: at every interval, at once if pass reports more work,
// and after a signal on one of up to two channels. It logs the message trouble with the
// first error of a series. It always returns nil: a failed pass is followed by the next.
func Poll(
	ctx context.Context, every time.Duration, log logrus.FieldLogger, trouble string,
	pass func(context.Context) (more bool, err error), wakes ...<-chan struct{},
) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var wake [2]<-chan struct{} // a nil channel never signals
	copy(wake[:], wakes)
	for down := false; ctx.Err() == nil; {
		more, err := pass(ctx)
		if err != nil && ctx.Err() == nil && !down {
			log.WithError(err).Warn(trouble)
		}
		down = err != nil
		if more && !down {
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake[0]:
		case <-wake[1]:
		case <-tick.C:
		}
	}
	return nil
}

// Signal wakes the reader of a channel with a buffer of one, without blocking. A signal
// that is still in the buffer will wake the reader anyway.
func Signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Pause blocks for d or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Backoff returns the delay after a number of failures, at least 1: first, doubled with
// every further failure up to most, and then shortened by a random part of up to a half
// so that rows that failed together are not retried together.
func Backoff(first, most time.Duration, failures int) time.Duration {
	d := most
	if failures-1 < 10 {
		d = min(most, first<<(failures-1))
	}
	return d - rand.N(d/2)
}

// Persist calls f until it succeeds or ctx ends, with pauses of up to 10 s.
func Persist(ctx context.Context, log logrus.FieldLogger, problem string, f func(context.Context) error) error {
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := f(ctx)
		if err == nil {
			return nil
		}
		log.WithError(err).Warn(problem)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
