// Package web is the HTTP API of the product catalogue: it decodes and checks
// requests, calls the product service and turns its results and errors into
// answers. No rule about products lives here, and no HTTP lives below.
//
// Successes have the envelope {"data": ..., "message": "..."}; everything else is
// application/problem+json (RFC 9457). No input makes it answer 5xx: those stand
// for this service and what it depends on.
package web

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/product"
)

// Service is what the API needs of the product service. All methods are safe for
// concurrent use and end with their context.
type Service interface {
	CreateOnce(ctx context.Context, scope product.Scope, p product.NewProduct, once product.Idempotency) (created product.Snapshot, replayed bool, err error)
	Get(ctx context.Context, scope product.Scope, id int64) (product.Snapshot, error)
	GetAtLeast(ctx context.Context, scope product.Scope, id int64, version int64) (product.Snapshot, error)
	List(ctx context.Context, scope product.Scope, f product.Filter) (product.Page, error)
	Patch(ctx context.Context, scope product.Scope, id int64, p product.Patch, pre product.Precondition) (product.Snapshot, error)
	Replace(ctx context.Context, scope product.Scope, id int64, n product.NewProduct, pre product.Precondition) (product.Snapshot, error)
	Delete(ctx context.Context, scope product.Scope, id int64, pre product.Precondition) error
	CreateUserOnce(ctx context.Context, u product.NewUser, once product.Idempotency) (created product.User, replayed bool, err error)
	User(ctx context.Context, scope product.Scope, id int64) (product.User, error)
	Reprocess(ctx context.Context, scope product.Scope, id int64, pre product.Precondition) (begun product.Reprocessing, after product.Snapshot, err error)
	RetryImage(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, pre product.Precondition) (product.Snapshot, error)
	Attempts(ctx context.Context, scope product.Scope, id int64, image uuid.UUID) ([]product.Attempt, error)
	Accounts
	Images
	DeadLetters
	Changes
}

// Changes is what the API needs to let clients wait for changes.
type Changes interface {
	Await(ctx context.Context, scope product.Scope, id int64, limit time.Duration, release <-chan struct{}, enough func(product.Snapshot) bool) (product.Snapshot, error)
	Events(ctx context.Context, scope product.Scope, f product.EventFilter, after int64) (product.EventPage, error)
	Subscribe(ctx context.Context, scope product.Scope, f product.EventFilter) (*product.Subscription, error)
}

// Images is what the API needs for the images of a product one by one.
type Images interface {
	AddImageOnce(ctx context.Context, scope product.Scope, id int64, n product.NewImage, pre product.Precondition, once product.Idempotency) (added product.ImageSnapshot, replayed bool, err error)
	Image(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, version int64) (product.ImageSnapshot, error)
	PatchImage(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, p product.ImagePatch, pre product.Precondition) (product.ImageSnapshot, error)
	DeleteImage(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, pre product.Precondition) (product.Snapshot, error)
}

// Uploads is what the API needs to take files.
type Uploads interface {
	MaxBytes() int64
	Presign(ctx context.Context, scope product.Scope, user int64) (product.Upload, error)
	Receive(ctx context.Context, scope product.Scope, id int64, body io.Reader) (source string, err error)
}

// DeadLetters is what the API needs to let operators see and settle what got
// stuck.
type DeadLetters interface {
	DeadLetters(ctx context.Context, f product.DeadLetterFilter) (product.DeadLetterPage, error)
	DeadLetterGroups(ctx context.Context, f product.DeadLetterFilter) (groups []product.DeadLetterGroup, more bool, err error)
	DeleteDeadLetter(ctx context.Context, id uuid.UUID) error
	DeleteDeadLetters(ctx context.Context, f product.DeadLetterFilter, all bool) (int64, error)
	StartReplay(ctx context.Context, q product.ReplayRequest) (product.Replay, error)
	Replay(ctx context.Context, id uuid.UUID) (product.Replay, error)
}

// Config is how the API behaves. The zero value is an open API without readiness
// checks.
type Config struct {
	// AdminToken, where set, is the administrator's bearer token, and every route
	// but health wants it or a user's API key. Empty leaves the API open to
	// whoever reaches it.
	AdminToken string
	// RequestTimeout bounds each request, from its header to its answer; 10 s if zero.
	RequestTimeout time.Duration
	// Uploads takes the files that clients send. Nil means that there is no place
	// for files: images are added by URL alone.
	Uploads Uploads
	// UploadTimeout bounds each request that brings a file; 60 s if zero.
	UploadTimeout time.Duration
	// UploadForms bounds the requests that bring a file at the same time, and with
	// them the parts of files in memory; 16 if zero.
	UploadForms int
	// Checks are what /readyz reports on, in this order.
	Checks []Check
	// Limits bound what callers may ask for.
	Limits Limits
	// Draining reports that the process is about to end: /readyz then says not
	// ready while requests are still served. Nil means never.
	Draining func() bool
	// Stopping is closed when the process is about to end: answers that are held
	// are given and event streams end, so that they hold nothing up. Nil means never.
	Stopping <-chan struct{}
	// Waiting bounds the answers that are held at the same time; 1,000 if zero. Who
	// comes then is answered at once. Of these, the event streams and the upload
	// forms no user has more than a quarter.
	Waiting int
	// EventStreams bounds the event streams at the same time; 1,000 if zero.
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
	service Service
	log     *logrus.Logger
	access  access
	health  *health
	timeout time.Duration
	uploads uploads
	limits  *rateLimits
	shed    *shedder
	router  *chi.Mux

	stop             <-chan struct{} // closed when nobody is to be kept any longer
	waiting, streams *slots
	ended            *prometheus.CounterVec // streams, by reason
	heartbeat        time.Duration
}

// New builds the API. Its metrics are registered with reg, once per registry; nil
// keeps them unpublished. The handler is safe for concurrent use and starts no
// goroutine that outlives a request, but for health checks that ignore their
// context.
func New(cfg Config, service Service, log *logrus.Logger, reg prometheus.Registerer) http.Handler {
	a := &api{
		service: service, log: log, access: newAccess(cfg.AdminToken, service),
		health: newHealth(cfg.Checks, cfg.Draining, log), timeout: cfg.RequestTimeout,
		limits: newRateLimits(cfg.Limits, reg, log), shed: newShedder(cfg.Limits, reg),
		router: chi.NewRouter(),
	}
	if a.timeout <= 0 {
		a.timeout = defaultRequestTimeout
	}
	if cfg.UploadTimeout <= 0 {
		cfg.UploadTimeout = defaultUploadTimeout
	}
	a.uploads = uploads{to: cfg.Uploads, timeout: cfg.UploadTimeout}
	a.initLong(cfg, reg)
	// In this order: an answer that a later one gives is logged, counted and
	// guarded by the earlier ones.
	a.router.Use(
		identify, // the id that the log line, the answer and the jobs share
		newObserver(log, a.limits.origins, reg).observe, // one log line and two metrics, whatever happens below
		secure,              // headers that every answer has
		a.recover,           // a panic becomes a 500
		deadline(a.timeout), // the context ends in time
	)
	a.router.NotFound(a.unrouted(a.notFound))
	a.router.MethodNotAllowed(a.unrouted(a.methodNotAllowed))
	a.mount()
	return a.router
}
