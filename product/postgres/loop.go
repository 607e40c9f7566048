package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"
)

// pollInterval is how often a loop looks for work that no signal announced.
const PollInterval = time.Second

// poll calls pass until ctx ends: every interval, at once when pass reports that there is more to do,
// and when one of two channels signals. It logs trouble with the first error of a series.
// It returns nil: what fails is tried again with the next pass.
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

// signal wakes the reader of a channel that has room for one signal. If there is
// one in it, the reader has been woken and did not look yet.
func Signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// backoff doubles with every failure, from 1, and is shortened by up to a half, so that rows
// that failed together do not return together.
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
