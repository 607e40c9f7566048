package admission

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product/postgres"
	"vitrine/product/web/problem"
)

const (
	defaultMaxRequests = 1000
	// defaultMaxBodies is enough for 64 of the largest bodies.
	defaultMaxBodies = 64 << 20
	// maxHeaders is the number of header lines that a request may have. Fewer than
	// twenty are usual, and each costs memory beyond its bytes.
	maxHeaders = 100
)

// The limits that turn requests away with a 503, as the metric names them.
const (
	shedRequests = "requests" // concurrent requests in this process
	shedBodies   = "bodies"   // bytes of bodies in memory
	ShedDatabase = "database" // calls waiting for PostgreSQL
	ShedUploads  = "uploads"  // concurrent forms with a file, in total or of one user
	ShedStreams  = "streams"  // concurrent event streams, in total or of one user
)

// Requests bounds the requests that the process serves concurrently and the memory
// that their bodies take. It is safe for concurrent use.
type Requests struct {
	maxRequests, maxBodies int64
	requests, bodies       atomic.Int64
	shed                   *prometheus.CounterVec
}

// NewRequests returns the bounds of cfg. Its metrics are registered with reg unless
// that is nil.
func NewRequests(cfg Limits, reg prometheus.Registerer) *Requests {
	q := &Requests{
		maxRequests: int64(cfg.MaxRequests), maxBodies: cfg.MaxBodies,
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_shed_total", Help: "Requests rejected with a 503, by the limit that was reached: requests, bodies, database, uploads or streams.",
		}, []string{"reason"}),
	}
	if q.maxRequests <= 0 {
		q.maxRequests = defaultMaxRequests
	}
	if q.maxBodies <= 0 {
		q.maxBodies = defaultMaxBodies
	}
	if reg != nil {
		reg.MustRegister(q.shed,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "vitrine_http_requests_in_flight", Help: "Requests in progress, excluding probes.",
			}, func() float64 { return float64(q.requests.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "vitrine_http_body_bytes", Help: "Bytes of request bodies held in memory.",
			}, func() float64 { return float64(q.bodies.Load()) }))
	}
	return q
}

// Admit admits a request: it returns the request with a body whose memory is bounded,
// and done, which has to be called at its end. The last quarter of the bound is for
// preferred requests. The error is a problem.
func (q *Requests) Admit(r *http.Request, preferred bool) (admitted *http.Request, done func(), err error) {
	room := q.maxRequests
	if !preferred {
		room -= room / 4
	}
	p := &permit{requests: q}
	switch {
	case q.requests.Add(1) > room:
		err = Overloaded(shedRequests)
	case tooManyHeaders(r.Header):
		err = problem.New("too_many_headers", fmt.Sprintf("a request must not have more than %d header lines", maxHeaders))
	}
	if err != nil {
		p.release()
		return nil, nil, err
	}
	admitted = r.WithContext(context.WithValue(postgres.Sheddable(r.Context()), permitKey{}, p))
	admitted.Body = &countedBody{r.Body, p}
	return admitted, p.done, nil
}

// CountShed counts a request that a limit turned away.
func (q *Requests) CountShed(limit string) { q.shed.WithLabelValues(limit).Inc() }

// Release ends the bounds for a request that continues for long, within a bound of
// its own.
func Release(ctx context.Context) {
	if p, ok := ctx.Value(permitKey{}).(*permit); ok {
		p.release()
	}
}

// Overloaded returns the problem of a request that was turned away before it had any
// effect.
func Overloaded(limit string) *problem.Error {
	p := problem.Retry("overloaded", "the service is overloaded; nothing was changed, retry later")
	p.Shed = limit
	return p
}

// NoPermit returns the problem of a request for which no permit is left. A permit may
// be in use for long.
func NoPermit(code, detail, limit string) *problem.Error {
	p := problem.New(code, detail).With("Retry-After", "5")
	p.Shed = limit
	return p
}

func tooManyHeaders(h http.Header) bool {
	lines := 0
	for _, values := range h {
		lines += len(values)
	}
	return lines > maxHeaders
}

// permit is what one request takes of the bounds.
type permit struct {
	requests *Requests
	released bool
	bytes    int64 // of its body
}

type permitKey struct{}

func (p *permit) release() {
	if !p.released {
		p.released = true
		p.requests.requests.Add(-1)
	}
}

func (p *permit) done() {
	p.release()
	p.requests.bodies.Add(-p.bytes)
}

// countedBody is a body that counts towards the memory for bodies what has arrived,
// not what was announced, so that slow clients take no more than they have sent. It
// fails with a problem when there is no memory left. The body of a released request
// is not counted: it is not kept in memory.
type countedBody struct {
	io.ReadCloser
	permit *permit
}

// Read implements [io.Reader].
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.permit.released {
		return n, err
	}
	b.permit.bytes += int64(n)
	if q := b.permit.requests; q.bodies.Add(int64(n)) > q.maxBodies {
		return n, Overloaded(shedBodies).With("Connection", "close")
	}
	return n, err
}
