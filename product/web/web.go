// Package web is the HTTP API of the product catalogue: it decodes and checks requests, calls
// the product packages, and turns their results and errors into responses. It has no rules
// about products, and those packages know no HTTP.
//
// Successes have the envelope {"data": ..., "message": "..."}; errors are
// application/problem+json (RFC 9457). No input causes a 5xx; those report failures of this
// service and its dependencies.
//
// It imports the product packages and the packages below this folder (access,
// admission, body, contract, header, health, problem, query and stream), which do not import
// it. Begin with the table in routes.go.
package web

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/product/account"
	"vitrine/product/catalogue"
	"vitrine/product/deadletter"
	"vitrine/product/job"
	"vitrine/product/upload"
	"vitrine/product/web/access"
	"vitrine/product/web/admission"
	"vitrine/product/web/header"
	"vitrine/product/web/health"
	"vitrine/product/web/stream"
)

// Services is what the API calls.
type Services struct {
	Catalogue   *catalogue.Service
	Accounts    *account.Service
	Events      stream.Source
	Jobs        *job.Store
	DeadLetters *deadletter.Service
}

// Config configures the API. The zero value is an open API without readiness checks.
type Config struct {
	// AdminToken is the administrator's bearer token. If it is set, every route but
	// health and docs requires it or a user's API key. If it is empty, the API is open
	// to everyone who reaches it.
	AdminToken string
	// RequestTimeout bounds each request, from its header to its answer; 10 s if zero.
	RequestTimeout time.Duration
	// Uploads stores the files that clients send. If it is nil, images can be added by
	// URL only.
	Uploads *upload.Service
	// UploadTimeout bounds each request with a file; 60 s if zero.
	UploadTimeout time.Duration
	// UploadForms bounds the concurrent requests with a file, and with them the parts
	// of files in memory; 16 if zero.
	UploadForms int
	// Checks are reported by /readyz, in this order.
	Checks []health.Check
	// Limits bound the requests of each caller and of the process.
	Limits admission.Limits
	// Draining reports whether the process is about to end: /readyz then reports not
	// ready while requests are still served. Nil means never.
	Draining func() bool
	// Stopping is closed when the process is about to end: held answers are then sent
	// and event streams end, so that they do not delay it. Nil means never.
	Stopping <-chan struct{}
	// Waiting bounds the answers held back concurrently; 1,000 if zero. Requests beyond
	// it are answered at once. A user may have at most a quarter of the held answers, of
	// the event streams and of the upload forms.
	Waiting int
	// EventStreams bounds the concurrent event streams; 1,000 if zero.
	EventStreams int
	// Heartbeat is the longest silence on an event stream; 15 s if zero.
	Heartbeat time.Duration
}

const (
	defaultRequestTimeout = 10 * time.Second
	defaultWaiting        = 1000
	defaultEventStreams   = 1000
	defaultHeartbeat      = 15 * time.Second
	defaultUploadTimeout  = time.Minute
	defaultUploadForms    = 16
)

// api is the state that the handlers share.
type api struct {
	Services
	log      *logrus.Logger
	access   access.Rule
	health   *health.Health
	timeout  time.Duration
	uploads  uploads
	rates    *admission.RateLimits
	requests *admission.Requests
	router   *chi.Mux

	stop             <-chan struct{} // closed when held answers and streams have to end
	waiting, streams *admission.Permits
	ended            *prometheus.CounterVec // streams, by reason
	heartbeat        time.Duration
}

// New returns the API. Its metrics are registered with reg, once per registry, unless
// that is nil. The handler is safe for concurrent use and starts no goroutine that
// outlives a request, except health checks that ignore their context.
func New(cfg Config, services Services, log *logrus.Logger, reg prometheus.Registerer) http.Handler {
	clients := header.NewClients(cfg.Limits.TrustedProxies, cfg.Limits.ProxyHeader, log)
	a := &api{
		Services: services, log: log, access: access.New(cfg.AdminToken, services.Accounts),
		health: health.New(cfg.Checks, cfg.Draining, log), timeout: positive(cfg.RequestTimeout, defaultRequestTimeout),
		rates: admission.NewRateLimits(cfg.Limits, clients, reg), requests: admission.NewRequests(cfg.Limits, reg),
		router: chi.NewRouter(),
		stop:   cfg.Stopping, heartbeat: positive(cfg.Heartbeat, defaultHeartbeat),
		waiting: admission.NewPermits(positive(cfg.Waiting, defaultWaiting), reg,
			"vitrine_http_waiting_requests", "Responses held because of Prefer: wait."),
		streams: admission.NewPermits(positive(cfg.EventStreams, defaultEventStreams), reg,
			"vitrine_event_streams", "Open event streams."),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_event_streams_ended_total", Help: "Event streams that ended, by reason.",
		}, []string{"reason"}),
	}
	a.uploads = uploads{
		to: cfg.Uploads, timeout: positive(cfg.UploadTimeout, defaultUploadTimeout),
		forms: admission.NewPermits(positive(cfg.UploadForms, defaultUploadForms), reg,
			"vitrine_http_upload_forms", "Forms with a file being read."),
	}
	if reg != nil {
		reg.MustRegister(a.ended)
	}
	// In this order: earlier ones log, count and guard the answers of later ones.
	a.router.Use(
		identify,                               // sets the id shared by the log line, the answer and the jobs
		newObserver(log, clients, reg).observe, // writes the log line and two metrics
		secure,                                 // sets the headers that every answer has
		a.recover,                              // answers a panic with 500
		deadline(a.timeout),                    // ends the context in time
	)
	a.router.NotFound(a.unrouted(a.notFound))
	a.router.MethodNotAllowed(a.unrouted(a.methodNotAllowed))
	a.mount()
	return a.router
}

// positive returns n if it is positive, else the default.
func positive[T int | time.Duration](n, otherwise T) T {
	if n > 0 {
		return n
	}
	return otherwise
}
