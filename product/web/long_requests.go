package web

import (
	"context"
	"net/http"
	"time"
)

const (
	// restTime bounds the end of a long answer.
	restTime = 5 * time.Second
	// writeGrace is how long after its deadline an answer may still be sent.
	writeGrace = 20 * time.Second
)

type outerKey struct{}

// withOuter keeps a context as a value of itself, so that a request can outlast the
// deadlines that are added later.
func withOuter(ctx context.Context) context.Context {
	return context.WithValue(ctx, outerKey{}, ctx)
}

// outlast replaces the request's deadline by limit from now, or by none if limit is
// zero. The request still ends with its connection. The server's write deadline moves
// along; without a limit, each write needs a deadline of its own. The read deadline does
// not apply while the server watches for the client to disconnect. done has to be
// called.
func outlast(w http.ResponseWriter, r *http.Request, limit time.Duration) (longer *http.Request, done func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	expire := cancel
	connection, ok := r.Context().Value(outerKey{}).(context.Context) //nolint:contextcheck // r's own context is derived from it
	if !ok {
		connection = r.Context()
	}
	unhook := context.AfterFunc(connection, cancel)
	var end time.Time
	if limit > 0 {
		ctx, expire = context.WithTimeout(ctx, limit)
		end = time.Now().Add(limit + writeGrace)
	}
	// An error means that the connection does not support it, or is closed.
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

// stopping reports whether the process is about to end: no answer is held back then.
func (a *api) stopping() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}
