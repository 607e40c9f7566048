package imaging

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// readStep is how many bytes a decoder gets at a time. A progressive JPEG's scan
// over the whole picture may take no more than a dozen bytes, so that a usual
// buffer of 4 KiB could hold minutes of work between two looks at the clock.
const readStep = 128

var errDecodeTimeout = errors.New("decoding took too long")

// meteredReader hands out a picture in small steps until the CPU time or the
// context of its decoding has ended. Not safe for concurrent use; the goroutine
// must be locked to its thread, whose CPU time it watches.
type meteredReader struct {
	ctx   context.Context
	src   *bytes.Reader
	limit time.Duration
	began time.Time
	start time.Duration // of the thread's CPU time
	err   error         // why it stopped, also where the decoder hides it
}

func newMeteredReader(ctx context.Context, src []byte, limit time.Duration) *meteredReader {
	return &meteredReader{ctx: ctx, src: bytes.NewReader(src), limit: limit, began: time.Now(), start: cpuTime()}
}

func (r *meteredReader) Read(p []byte) (int, error) {
	// The time of day is cheap to ask for, and never behind the CPU time.
	if r.err == nil && time.Since(r.began) > r.limit && cpuTime()-r.start > r.limit {
		r.err = errDecodeTimeout
	}
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.src.Read(p[:min(len(p), readStep)])
}
