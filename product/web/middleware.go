package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/web/access"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
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

// maxLoggedPath bounds a log line, in bytes: a path may fill the whole header.
const maxLoggedPath = 512

// unmatched is the route of a request that no route of the table matches.
const unmatched = "unmatched"

// observer writes the access log and the HTTP metrics.
type observer struct {
	log      *logrus.Logger
	clients  *header.Clients
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newObserver(log *logrus.Logger, clients *header.Clients, reg prometheus.Registerer) *observer {
	labels := []string{"method", "route", "status"}
	o := &observer{
		log: log, clients: clients,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_requests_total", Help: "HTTP requests served, by method, route and status class.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitrine_http_request_duration_seconds", Help: "Time from receiving a request's header to the end of its response.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, labels),
	}
	if reg != nil {
		reg.MustRegister(o.requests, o.duration)
	}
	return o
}

// note carries what the handler knows to the log line.
type note struct {
	problem *problem.Error // of the answer, or nil
	caller  access.Caller
}

type noteKey struct{}

func noteFailure(ctx context.Context, p *problem.Error) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.problem = p
	}
}

func noteCaller(ctx context.Context, c access.Caller) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.caller = c
	}
}

// observe logs one line and counts once for each request, also for one that panics.
func (o *observer) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, wrapped, noted := time.Now(), middleware.NewWrapResponseWriter(w, r.ProtoMajor), &note{}
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, noted))
		defer func() {
			took, status, route := time.Since(began), wrapped.Status(), routeOf(r)
			if status == 0 { // every handler answers, unless it closes the connection
				status = http.StatusInternalServerError
			}
			labels := prometheus.Labels{"method": methodOf(r), "route": route, "status": strconv.Itoa(status/100) + "xx"}
			o.requests.With(labels).Inc()
			o.duration.With(labels).Observe(took.Seconds())
			o.line(r, route, status, wrapped.BytesWritten(), took, noted)
		}()
		next.ServeHTTP(wrapped, r)
	})
}

// line writes a line of the access log: 5xx as errors with their cause, requests shed
// under load as warnings, probes at debug because they come every second, and all
// others at info.
func (o *observer) line(r *http.Request, route string, status, bytes int, took time.Duration, n *note) {
	level := logrus.InfoLevel
	switch {
	case n.problem != nil && n.problem.Shed != "":
		level = logrus.WarnLevel
	case status >= 500 && route != routeReady:
		level = logrus.ErrorLevel
	case route == routeHealth || route == routeReady:
		level = logrus.DebugLevel
	}
	if !o.log.IsLevelEnabled(level) {
		return
	}
	client, _ := o.clients.Address(r)
	fields := logrus.Fields{
		"bytes": bytes, "client_ip": client.String(), "duration_ms": float64(took.Microseconds()) / 1000,
		"method": r.Method, "path": problem.Truncate(withoutKeys(r.URL.Path), maxLoggedPath), "request_id": product.RequestID(r.Context()),
		"route": route, "status": status,
	}
	if user, one := n.caller.Scope.User(); one && user != 0 {
		fields["user_id"], fields["key_id"] = user, n.caller.KeyID
	}
	if p := n.problem; p != nil {
		fields["code"] = p.Code
		if status >= 500 && p.Cause != nil {
			fields["error"] = p.Cause.Error()
		}
	}
	o.log.WithFields(fields).Log(level, "Request processed")
}

// routeOf returns the path of the table that matches the request, without the prefix.
func routeOf(r *http.Request) string {
	pattern := chi.RouteContext(r.Context()).RoutePattern()
	if pattern == "" {
		return unmatched
	}
	return strings.TrimPrefix(pattern, apiPrefix)
}

// methodOf returns the method as a label of few values, whatever clients send.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// keyText matches API keys and parts of them.
var keyText = regexp.MustCompile(account.KeyMark + "[0-9A-Za-z]{7,}")

// withoutKeys masks API keys that clients put where they do not belong.
func withoutKeys(text string) string {
	if !strings.Contains(text, account.KeyMark) {
		return text
	}
	return keyText.ReplaceAllString(text, account.KeyMark+"***")
}
