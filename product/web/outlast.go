package web

import (
	"context"
	"net/http"
	"time"
)

const (
	// restTime is what the end of a long answer may take.
	restTime = 5 * time.Second
	// writeGrace is how long after its deadline an answer may be on its way.
	writeGrace = 20 * time.Second
)

type outerKey struct{}

// withOuter keeps a context in itself, so that a request can outlast what is
// put round it later.
func withOuter(ctx context.Context) context.Context {
	return context.WithValue(ctx, outerKey{}, ctx)
}

// outlast gives a request with a deadline of its own in the place of the one that
// all have: limit from now, none where it is zero. It ends with its connection, as
// before. The server's limit on writing moves with it; where there is no deadline,
// each write needs one of its own. The limit on reading does not hold while the
// server watches for the client's leaving. done has to be called.
func outlast(w http.ResponseWriter, r *http.Request, limit time.Duration) (longer *http.Request, done func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	expire := cancel
	connection, ok := r.Context().Value(outerKey{}).(context.Context) //nolint:contextcheck // it is what r's own context came from
	if !ok {
		connection = r.Context()
	}
	unhook := context.AfterFunc(connection, cancel)
	var end time.Time
	if limit > 0 {
		ctx, expire = context.WithTimeout(ctx, limit)
		end = time.Now().Add(limit + writeGrace)
	}
	// An error says that the connection cannot do it, or has gone.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(end)
	return r.WithContext(ctx), func() {
		unhook()
		expire()
		cancel()
		if limit == 0 {
			_ = control.SetWriteDeadline(time.Now().Add(restTime))
		}
	}
}
