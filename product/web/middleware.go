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

// safeRequestID matches the ids that clients may set: they are stored in logs, queue
// messages and rows.
var safeRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify sets the request's id: the client's if it is safe, else a new one. The
// answer repeats it.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inbound := r.Header.Values("X-Request-ID")
		var id string
		if len(inbound) == 1 && safeRequestID.MatchString(inbound[0]) {
			id = inbound[0]
		} else {
			id = uuid.Must(uuid.NewV7()).String() // fails only without a source of random numbers, which ends the process
		}
		w.Header().Set("X-Request-ID", id)
		next.ServeHTTP(w, r.WithContext(product.WithRequestID(r.Context(), id)))
	})
}

// secure sets the security headers of every answer. The API serves JSON to programs: a
// browser must not interpret it as anything else, frame it or run anything in it.
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

// recover answers a panic with 500 and logs it once, with its stack. If the answer has
// begun, it closes the connection, so that the client does not take a part of the
// answer for the whole.
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

// deadline ends the request's context after limit; the request is then answered with
// 503. See [outlast] for requests that take longer.
func deadline(limit time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(withOuter(r.Context()), limit)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
