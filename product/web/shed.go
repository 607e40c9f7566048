package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product"
)

const (
	defaultMaxRequests = 1000
	// defaultMaxBodies is room for 64 of the largest bodies.
	defaultMaxBodies = 64 << 20
	// maxHeaders is the number of header lines that a request may have. Fewer than
	// twenty are usual, and each costs memory beyond its bytes.
	maxHeaders = 100
)

// Why a request was turned away with a 503, as the metric says it.
const (
	shedRequests = "requests" // too many at once in this process
	shedBodies   = "bodies"   // too many bytes of bodies at once
	shedDatabase = "database" // too many waiting for PostgreSQL
	shedUploads  = "uploads"  // too many forms with a file at once, of all or of one user
	shedStreams  = "streams"  // too many event streams at once, of all or of one user
)

// shedder turns requests away before the process suffers from their number.
type shedder struct {
	maxRequests, maxBodies int64
	requests, bodies       atomic.Int64
	count                  *prometheus.CounterVec
}

func newShedder(cfg Limits, reg prometheus.Registerer) *shedder {
	s := &shedder{
		maxRequests: int64(cfg.MaxRequests), maxBodies: cfg.MaxBodies,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_shed_total", Help: "Requests turned away with a 503, by what there was too much of: requests, bodies, waiting for the database, uploads or event streams.",
		}, []string{"reason"}),
	}
	if s.maxRequests <= 0 {
		s.maxRequests = defaultMaxRequests
	}
	if s.maxBodies <= 0 {
		s.maxBodies = defaultMaxBodies
	}
	if reg != nil {
		reg.MustRegister(s.count,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "vitrine_http_requests_in_flight", Help: "Requests under way, probes not counted.",
			}, func() float64 { return float64(s.requests.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "vitrine_http_body_bytes", Help: "Bytes of the bodies of requests under way.",
			}, func() float64 { return float64(s.bodies.Load()) }))
	}
	return s
}

// admitted lets a request of the route begin where the process has room for it. The
// last quarter of the room is for reads of a product, which mostly need Redis alone.
func (a *api) admitted(rt route, next http.Handler) http.Handler {
	room := a.shed.maxRequests
	if rt.method != http.MethodGet || rt.path != routeProduct {
		room -= room / 4
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := &place{shed: a.shed}
		defer place.leave()
		if a.shed.requests.Add(1) > room {
			a.fail(w, r, overloaded(shedRequests))
			return
		}
		if tooManyHeaders(r.Header) {
			a.fail(w, r, newProblem(http.StatusRequestHeaderFieldsTooLarge, "too_many_headers",
				fmt.Sprintf("a request may have %d header lines", maxHeaders)))
			return
		}
		held := &bodyMemory{shed: a.shed}
		defer held.release()
		ctx := context.WithValue(product.Sheddable(r.Context()), bodyMemoryKey{}, held)
		ctx = context.WithValue(ctx, placeKey{}, place)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// place is a request among those that the process serves at once.
type place struct {
	shed *shedder
	left bool
}

type placeKey struct{}

func (p *place) leave() {
	if !p.left {
		p.left = true
		p.shed.requests.Add(-1)
	}
}

// leavePlace is for a request that from now on waits, within a bound of its own.
func leavePlace(ctx context.Context) {
	if p, ok := ctx.Value(placeKey{}).(*place); ok {
		p.leave()
	}
}

// overloaded is the answer to a request that was turned away before it had any effect.
func overloaded(reason string) *problem {
	p := retryLater("overloaded", "the service has too much to do; nothing was done, try again soon")
	p.shed = reason
	return p
}

// crowded is the answer to a request for which there is no slot. One may stay taken
// for long.
func crowded(code, detail, reason string) *problem {
	p := retryLater(code, detail).with("Retry-After", "5")
	p.shed = reason
	return p
}

func tooManyHeaders(h http.Header) bool {
	lines := 0
	for _, values := range h {
		lines += len(values)
	}
	return lines > maxHeaders
}

// bodyMemory is what a request's body takes of the memory for all bodies, until the
// request ends. It grows with what has arrived, not with what was announced, so that
// slow clients hold no more than they have sent.
type bodyMemory struct {
	shed *shedder
	held int64
}

type bodyMemoryKey struct{}

var errNoBodyMemory = errors.New("no memory left for bodies")

// counted gives a reader of body that takes memory for what it reads, and fails with
// errNoBodyMemory when there is none.
func counted(ctx context.Context, body io.Reader) io.Reader {
	held, ok := ctx.Value(bodyMemoryKey{}).(*bodyMemory)
	if !ok {
		return body
	}
	return &countedReader{body, held}
}

type countedReader struct {
	body io.Reader
	held *bodyMemory
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	if !c.held.take(int64(n)) {
		return n, errNoBodyMemory
	}
	return n, err
}

func (m *bodyMemory) take(n int64) bool {
	m.held += n
	return m.shed.bodies.Add(n) <= m.shed.maxBodies
}

func (m *bodyMemory) release() { m.shed.bodies.Add(-m.held) }
