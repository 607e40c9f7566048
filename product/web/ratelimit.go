package web

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/product/web/limit"
)

// Limits are what callers may ask for, and how much of it this process takes on. The
// zero value limits no rate.
type Limits struct {
	// PerKey and PerAddress are requests in a window for each API key and for each
	// client address; 0 is no limit. The administrator and whoever uses an open
	// API have no key; clients on this machine have no limit by address.
	PerKey, PerAddress int
	// Window is a minute if zero.
	Window time.Duration
	// Counter shares the counts among replicas; nil counts in this process alone.
	// Prefix stands before its keys.
	Counter limit.Counter
	Prefix  string
	// TrustedProxies are those whose ProxyHeader names the client: X-Forwarded-For,
	// which is the default, or Forwarded.
	TrustedProxies []netip.Prefix
	ProxyHeader    string
	// MaxRequests are under way at once, probes not counted; 1,000 if zero.
	MaxRequests int
	// MaxBodies is the memory for all bodies at once, in bytes; 64 MiB if zero.
	MaxBodies int64
}

// The policies, as the header fields and the metric name them.
const (
	policyAddress  = "address"
	policyKey      = "key"
	policyFailures = "failures"
)

const (
	// maxFailures is how many answers of 401 an address gets in a window. An API
	// key cannot be guessed; an administrator's token that a person made up may.
	maxFailures = 60
	// maxKnown bounds the tokens that were let in and are remembered.
	maxKnown = 4096
)

// rateLimits counts requests and refuses those beyond a limit.
type rateLimits struct {
	perKey, perAddress int
	limiter            *limit.Limiter
	origins            *origins
	limited            *prometheus.CounterVec

	mu    sync.Mutex
	known map[[sha256.Size]byte]struct{} // sums of tokens that were let in
}

func newRateLimits(cfg Limits, reg prometheus.Registerer, log *logrus.Logger) *rateLimits {
	l := &rateLimits{
		perKey: cfg.PerKey, perAddress: cfg.PerAddress,
		limiter: limit.New(limit.Config{Counter: cfg.Counter, Prefix: cfg.Prefix + "limit:v1:", Window: cfg.Window}),
		origins: newOrigins(cfg.TrustedProxies, cfg.ProxyHeader, log),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_limited_total", Help: "Requests refused with a 429, by policy: address, key or failures.",
		}, []string{"policy"}),
		known: map[[sha256.Size]byte]struct{}{},
	}
	if reg != nil {
		reg.MustRegister(l.limited)
	}
	return l
}

// use is one use of a policy's quota.
type use struct {
	policy string
	limit.Use
}

// guard counts the request and is nil, or a *problem. check finds out who calls, and
// gives its API key's id, "" for callers without a limit of their own; it is nil where
// nobody asks. An address that has used up its requests is refused before anybody looks
// at its token; so is one with too many failures, unless its token was right before:
// neighbours behind one address must not lock each other out. The count itself comes
// after check, so that address and key are counted in one go.
func (l *rateLimits) guard(w http.ResponseWriter, r *http.Request, check func(*http.Request) (key string, err error)) error {
	uses := make([]use, 0, 2)
	address, failures, byAddress := l.ofAddress(r)
	if byAddress {
		if ok, state := l.limiter.Look(address.Use); !ok {
			return l.refuse(w, []use{address}, []limit.State{state})
		}
		uses = append(uses, address)
	}
	if check == nil {
		return l.take(w, r, uses)
	}
	if byAddress {
		if ok, state := l.limiter.Look(failures.Use); !ok && !l.remembers(r.Header) {
			return l.refuse(w, []use{failures}, []limit.State{state})
		}
	}
	key, err := check(r)
	switch {
	case byAddress && isUnauthorized(err):
		uses = append(uses, failures)
	case byAddress && err == nil:
		l.remember(r.Header)
	}
	if key != "" && l.perKey > 0 {
		uses = append(uses, use{policyKey, limit.Use{Key: policyKey + ":" + key, Quota: l.perKey}})
	}
	if limited := l.take(w, r, uses); limited != nil {
		return limited
	}
	return err
}

// ofAddress gives a use of what the client's address may do; false where that is not
// limited. Clients on this machine are not: they are its operator's, or come through a
// proxy that nobody has declared, which makes them all one.
func (l *rateLimits) ofAddress(r *http.Request) (request, failure use, limited bool) {
	if l.perAddress <= 0 {
		return use{}, use{}, false
	}
	addr, near := l.origins.client(r)
	if near {
		return use{}, use{}, false
	}
	name := limitKey(addr)
	request = use{policyAddress, limit.Use{Key: policyAddress + ":" + name, Quota: l.perAddress}}
	failure = use{policyFailures, limit.Use{Key: policyFailures + ":" + name, Quota: maxFailures}}
	return request, failure, true
}

// take counts the uses and tells the client how it stands.
func (l *rateLimits) take(w http.ResponseWriter, r *http.Request, uses []use) error {
	if len(uses) == 0 {
		return nil
	}
	counted := make([]limit.Use, len(uses))
	for i, u := range uses {
		counted[i] = u.Use
	}
	ok, states := l.limiter.Take(r.Context(), counted...)
	if !ok {
		return l.refuse(w, uses, states)
	}
	l.describe(w.Header(), uses, states)
	return nil
}

// refuse gives the problem of a request that is beyond one of the limits.
func (l *rateLimits) refuse(w http.ResponseWriter, uses []use, states []limit.State) error {
	l.describe(w.Header(), uses, states)
	var u use
	var longest time.Duration // until the last of the limits that are reached lets one pass
	for i, s := range states {
		if s.Left == 0 && s.Wait >= longest {
			u, longest = uses[i], s.Wait
		}
	}
	l.limited.WithLabelValues(u.policy).Inc()
	wait := strconv.Itoa(max(seconds(longest), 1))
	whose := map[string]string{
		policyAddress: "requests from this address", policyKey: "requests with this API key",
		policyFailures: "requests with no valid token from this address",
	}[u.policy]
	return newProblem(http.StatusTooManyRequests, "rate_limited", fmt.Sprintf("too many %s: %d in %d seconds are allowed; try again in %s s",
		whose, u.Quota, seconds(l.limiter.Window()), wait)).with("Retry-After", wait)
}

// describe sets the two fields of draft-ietf-httpapi-ratelimit-headers: what is
// allowed (q requests in w seconds), and how many are left (r) for the next t seconds,
// after which there is one more.
func (l *rateLimits) describe(h http.Header, uses []use, states []limit.State) {
	var policies, left []byte
	for i, u := range uses {
		policies = appendItem(policies, u.policy, ";q=", u.Quota, ";w=", seconds(l.limiter.Window()))
		left = appendItem(left, u.policy, ";r=", states[i].Left, ";t=", seconds(states[i].Wait))
	}
	// As the draft spells them, and not as net/http would.
	h["RateLimit-Policy"] = []string{string(policies)}
	h["RateLimit"] = []string{string(left)}
}

// appendItem appends a string with two parameters to a list (RFC 9651).
func appendItem(to []byte, name, first string, x int, second string, y int) []byte {
	if len(to) == 0 {
		to = make([]byte, 0, 96) // for two items
	} else {
		to = append(to, ", "...)
	}
	to = append(append(append(to, '"'), name...), '"')
	to = strconv.AppendInt(append(to, first...), int64(x), 10)
	return strconv.AppendInt(append(to, second...), int64(y), 10)
}

// seconds rounds up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func isUnauthorized(err error) bool {
	var p *problem
	return errors.As(err, &p) && p.Status == http.StatusUnauthorized
}

// remember notes that the request's token, if there is one, has been right.
func (l *rateLimits) remember(h http.Header) {
	token, ok := bearer(h)
	if !ok {
		return
	}
	sum := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.known[sum]; !known && len(l.known) >= maxKnown {
		clear(l.known) // rarely, and those in use come back with their next request
	}
	l.known[sum] = struct{}{}
}

func (l *rateLimits) remembers(h http.Header) bool {
	token, ok := bearer(h)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.known[sha256.Sum256([]byte(token))]
	return known
}
