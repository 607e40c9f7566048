package web

import (
	"context"
	"net/http"
	"time"
)

const (
	// restTime is what the end of a long answer, and the rest of a body that
	// nobody asked for, may take.
	restTime = 5 * time.Second
	// writeGrace is how long after its deadline an answer may be on its way.
	writeGrace = 20 * time.Second
)

type connectionKey struct{}

// withConnection keeps a context in itself, so that a request can outlast what is
// put round it later.
func withConnection(ctx context.Context) context.Context {
	return context.WithValue(ctx, connectionKey{}, ctx)
}

// outlast gives a request with a deadline of its own in the place of the one that
// all have: limit from now, none where it is zero. It ends with its connection, as
// before. The server's limits on reading and writing are moved with it: reading
// goes on during the request to notice that the client has gone, and a read that
// times out would look like that. done has to be called.
func outlast(w http.ResponseWriter, r *http.Request, limit time.Duration) (longer *http.Request, done func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	var end time.Time
	if limit > 0 {
		end = time.Now().Add(limit)
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, end)
		cancel = both(stop, cancel)
	}
	connection, ok := r.Context().Value(connectionKey{}).(context.Context)
	if !ok {
		connection = r.Context()
	}
	unhook := context.AfterFunc(connection, cancel)
	// The errors say that the connection cannot do it, or has gone.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(end)
	if limit > 0 {
		end = end.Add(writeGrace)
	}
	_ = control.SetWriteDeadline(end)
	return r.WithContext(ctx), func() {
		unhook()
		cancel()
		_ = control.SetReadDeadline(time.Now().Add(restTime))
		if limit == 0 {
			_ = control.SetWriteDeadline(time.Now().Add(restTime))
		}
	}
}

func both(f, g func()) func() { return func() { f(); g() } }
