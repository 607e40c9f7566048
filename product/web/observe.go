package web

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/product"
)

// maxLoggedPath bounds a log line, in bytes: a path may fill the whole header.
const maxLoggedPath = 512

// unmatched is the route of a request that no route of the table took.
const unmatched = "unmatched"

// observer writes the access log and the HTTP metrics.
type observer struct {
	log      *logrus.Logger
	origins  *origins
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newObserver(log *logrus.Logger, origins *origins, reg prometheus.Registerer) *observer {
	labels := []string{"method", "route", "status"}
	o := &observer{
		log: log, origins: origins,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_requests_total", Help: "HTTP requests answered, by method, route and class of status.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitrine_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, labels),
	}
	if reg != nil {
		reg.MustRegister(o.requests, o.duration)
	}
	return o
}

// note is what the log line learns from further inside.
type note struct {
	problem *problem // that the handler ended with, or nil
	caller  caller
}

type noteKey struct{}

func noteFailure(ctx context.Context, p *problem) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.problem = p
	}
}

func noteCaller(ctx context.Context, c caller) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.caller = c
	}
}

// observe writes one line and counts once for each request, also for one that
// ends in a panic.
func (o *observer) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, wrapped, noted := time.Now(), middleware.NewWrapResponseWriter(w, r.ProtoMajor), &note{}
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, noted))
		defer func() {
			took, status, route := time.Since(began), wrapped.Status(), routeOf(r)
			if status == 0 { // every handler answers, unless it cuts the connection
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

// line writes the access log's line: 5xx as errors with their cause, those that were
// shed as warnings, probes at debug because they come every second, and everything
// else at info.
func (o *observer) line(r *http.Request, route string, status, bytes int, took time.Duration, n *note) {
	level := logrus.InfoLevel
	switch {
	case n.problem != nil && n.problem.shed != "":
		level = logrus.WarnLevel
	case status >= 500 && route != routeReady:
		level = logrus.ErrorLevel
	case route == routeHealth || route == routeReady:
		level = logrus.DebugLevel
	}
	if !o.log.IsLevelEnabled(level) {
		return
	}
	fields := logrus.Fields{
		"bytes": bytes, "client_ip": o.clientIP(r), "duration_ms": float64(took.Microseconds()) / 1000,
		"method": r.Method, "path": shorten(withoutKeys(r.URL.Path), maxLoggedPath), "request_id": product.RequestID(r.Context()),
		"route": route, "status": status,
	}
	if user, one := n.caller.scope.User(); one && user != 0 {
		fields["user_id"], fields["key_id"] = user, n.caller.keyID
	}
	if p := n.problem; p != nil {
		fields["code"] = p.Code
		if status >= 500 && p.cause != nil {
			fields["error"] = p.cause.Error()
		}
	}
	o.log.WithFields(fields).Log(level, "Request processed")
}

// routeOf is the table's path that took the request, the same with and without
// the prefix.
func routeOf(r *http.Request) string {
	pattern := chi.RouteContext(r.Context()).RoutePattern()
	if pattern == "" {
		return unmatched
	}
	return strings.TrimPrefix(pattern, apiPrefix)
}

// methodOf keeps the label's values few, whatever clients send.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// clientIP is the client's address as [origins.client] finds it.
func (o *observer) clientIP(r *http.Request) string {
	addr, _ := o.origins.client(r)
	return addr.String()
}

// keyText finds API keys in text, and whatever else looks like a part of one.
var keyText = regexp.MustCompile(product.KeyMark + "[0-9A-Za-z]{7,}")

// withoutKeys hides API keys that somebody has put where they do not belong.
func withoutKeys(text string) string {
	if !strings.Contains(text, product.KeyMark) {
		return text
	}
	return keyText.ReplaceAllString(text, product.KeyMark+"***")
}

// shorten cuts text to at most limit bytes and marks the cut.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:utf8Boundary(text, limit)] + "..."
}
