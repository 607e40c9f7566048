package fetch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine/imaging"
)

// limit bounds the total time of a download. Unlike a context's deadline it can be paused.
type limit struct {
	ctx    context.Context
	parent context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	left   time.Duration
	since  time.Time
	total  time.Duration
}

var errFetchTimeout = errors.New("download took too long")

// startLimit returns the limit and a context that ends with it.
func startLimit(parent context.Context, total time.Duration) (context.Context, *limit) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, &limit{
		ctx: ctx, parent: parent, cancel: cancel, total: total, left: total, since: time.Now(),
		timer: time.AfterFunc(total, func() { cancel(errFetchTimeout) }),
	}
}

// pause stops the time.
func (l *limit) pause() {
	l.timer.Stop()
	l.left -= time.Since(l.since)
}

// resume continues after a pause.
func (l *limit) resume() {
	l.since = time.Now()
	l.timer.Reset(max(l.left, 0))
}

// stop releases the limit's resources.
func (l *limit) stop() {
	l.timer.Stop()
	l.cancel(nil)
}

// explain returns the reason for err: the end of the parent context, the end of the limit, or
// err itself. The first two look like any other failure of the connection.
func (l *limit) explain(err error) error {
	if l.parent.Err() != nil {
		return l.parent.Err()
	}
	var known *imaging.Error
	if errors.Is(context.Cause(l.ctx), errFetchTimeout) && (!errors.As(err, &known) || known.Transient) {
		return transient(imaging.CodeFetchTimeout, fmt.Sprintf("the download took longer than %s", l.total), err)
	}
	return err
}
