package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"vitrine/product"
)

// safeRequestID is what an id from outside may look like: it goes into logs,
// queue messages and rows.
var safeRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives the request its id: the client's if it is one and harmless, else
// a new one. The answer repeats it.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inbound := r.Header.Values("X-Request-ID")
		var id string
		if len(inbound) == 1 && safeRequestID.MatchString(inbound[0]) {
			id = inbound[0]
		} else {
			id = uuid.Must(uuid.NewV7()).String() // fails only without a source of random numbers, which ends the process anyhow
		}
		w.Header().Set("X-Request-ID", id)
		next.ServeHTTP(w, r.WithContext(product.WithRequestID(r.Context(), id)))
	})
}

// secure sets the headers that every answer has. The API serves JSON to programs:
// a browser must not take it for anything else, frame it or run anything in it.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// recover turns a panic into a 500 and logs it once, with its stack. Where the
// answer has begun already the connection is cut, so that the client does not
// take half of it for the whole.
func (a *api) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			if value := recover(); value != nil {
				a.panicked(wrapped, r, value)
			}
		}()
		next.ServeHTTP(wrapped, r)
	})
}

func (a *api) panicked(w middleware.WrapResponseWriter, r *http.Request, value any) {
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(value)
	}
	a.log.WithFields(logrus.Fields{
		"request_id": product.RequestID(r.Context()), "panic": fmt.Sprint(value), "stack": string(debug.Stack()),
	}).Error("Request panicked")
	if w.Status() != 0 {
		panic(http.ErrAbortHandler)
	}
	a.fail(w, r, internal())
}

// deadline ends the request's context after limit. Whoever works for the request
// gives up then, and the client gets a 503 that says so. See [outlast] for requests
// that are meant to take longer.
func deadline(limit time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(withOuter(r.Context()), limit)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
