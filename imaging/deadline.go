package imaging

import (
	"context"
	"errors"
	"io"
	"time"
)

var errDecodeTimeout = errors.New("decoding took too long")

// clock tells when a decoding has to end: with its context, or once it has cost
// too much CPU time. Not safe for concurrent use; the goroutine must be locked to
// its thread, whose CPU time it watches.
type clock struct {
	ctx   context.Context
	limit time.Duration
	began time.Time
	start time.Duration // of the thread's CPU time
	err   error         // why the decoding had to end, also where the decoder hides it
}

func newClock(ctx context.Context, limit time.Duration) *clock {
	return &clock{ctx: ctx, limit: limit, began: time.Now(), start: cpuTime()}
}

func (c *clock) used() time.Duration { return cpuTime() - c.start }

// check gives the error that a decoding has to end with; nil lets it go on.
func (c *clock) check() error {
	// The time of day is cheap to ask for, and never behind the CPU time.
	if c.err == nil && time.Since(c.began) > c.limit && c.used() > c.limit {
		c.err = errDecodeTimeout
	}
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err
}

// readStep is how many bytes a decoder gets at a time. A progressive JPEG's scan
// over the whole picture may take no more than a dozen bytes, so that a usual
// buffer of 4 KiB could hold minutes of work between two looks at the clock.
const readStep = 128

// meteredReader hands out a picture in small steps until the clock says stop: for
// decoders that know nothing of clocks.
type meteredReader struct {
	clock *clock
	src   io.Reader
}

func (r *meteredReader) Read(p []byte) (int, error) {
	if err := r.clock.check(); err != nil {
		return 0, err
	}
	return r.src.Read(p[:min(len(p), readStep)])
}
