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
	Get(ctx context.Context, scope product.Scope, id uuid.UUID) (product.Snapshot, error)
	List(ctx context.Context, scope product.Scope, f product.Filter) (product.Page, error)
	Patch(ctx context.Context, scope product.Scope, id uuid.UUID, p product.Patch, pre product.Precondition) (product.Snapshot, error)
	Delete(ctx context.Context, scope product.Scope, id uuid.UUID, pre product.Precondition) error
	CreateUserOnce(ctx context.Context, u product.NewUser, once product.Idempotency) (created product.User, replayed bool, err error)
	User(ctx context.Context, scope product.Scope, id uuid.UUID) (product.User, error)
	RetryImage(ctx context.Context, scope product.Scope, id, image uuid.UUID, pre product.Precondition) (product.Snapshot, error)
	Attempts(ctx context.Context, scope product.Scope, id, image uuid.UUID) ([]product.Attempt, error)
	Accounts
	DeadLetters
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
	// Checks are what /readyz reports on, in this order.
	Checks []Check
	// Limits bound what callers may ask for.
	Limits Limits
	// Draining reports that the process is about to end: /readyz then says not
	// ready while requests are still served. Nil means never.
	Draining func() bool
}

const defaultRequestTimeout = 10 * time.Second

// api is the state that the handlers share.
type api struct {
	service Service
	log     *logrus.Logger
	access  access
	health  *health
	timeout time.Duration
	limits  *rateLimits
	shed    *shedder
	router  *chi.Mux
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
