package process

import (
	"context"
	"errors"
	"io"
	"time"
)

var errDecodeTimeout = errors.New("decoding took too long")

// clock decides when a decoding has to end: when its context ends, or when it has used
// too much CPU time. It measures the CPU time of the calling thread, so the goroutine
// must be locked to its thread. Not safe for concurrent use.
type clock struct {
	ctx   context.Context
	limit time.Duration
	began time.Time
	start time.Duration // of the thread's CPU time
	err   error         // why the decoding had to end, even if the decoder hides it
}

func newClock(ctx context.Context, limit time.Duration) *clock {
	return &clock{ctx: ctx, limit: limit, began: time.Now(), start: cpuTime()}
}

func (c *clock) used() time.Duration { return cpuTime() - c.start }

// check returns the error with which the decoding has to end, or nil to continue.
func (c *clock) check() error {
	// Wall time is cheap to read and never less than the CPU time.
	if c.err == nil && time.Since(c.began) > c.limit && c.used() > c.limit {
		c.err = errDecodeTimeout
	}
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err
}

// readStep is the number of bytes that a decoder gets at a time. One scan of a
// progressive JPEG over the whole picture may take only a dozen bytes, so a usual buffer
// of 4 KiB could hold minutes of work between two checks of the clock.
const readStep = 128

// meteredReader checks the clock before each small read. It bounds decoders that know
// no deadline.
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

// processStart is the origin of elapsed.
var processStart = time.Now()

// elapsed returns the monotonic wall time since the process started.
func elapsed() time.Duration { return time.Since(processStart) }
