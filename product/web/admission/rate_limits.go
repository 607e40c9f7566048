package admission

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// Limits bound the requests of each caller and of the process. The zero value limits
// no rate.
type Limits struct {
	// PerKey and PerAddress are the requests in a window for each API key and for
	// each client address; 0 is no limit. The administrator and callers of an open
	// API have no key; clients on this machine have no limit by address.
	PerKey, PerAddress int
	// Window is a minute if zero.
	Window time.Duration
	// Counter shares the counts among replicas; nil counts in this process alone.
	// Prefix precedes its keys.
	Counter Counter
	Prefix  string
	// TrustedProxies are the networks of the proxies whose ProxyHeader names the
	// client: X-Forwarded-For, which is the default, or Forwarded.
	TrustedProxies []netip.Prefix
	ProxyHeader    string
	// MaxRequests bounds concurrent requests, probes not counted; 1,000 if zero.
	MaxRequests int
	// MaxBodies bounds the memory for all bodies, in bytes; 64 MiB if zero.
	MaxBodies int64
}

// The policies, as the headers and the metric name them.
const (
	policyAddress  = "address"
	policyKey      = "key"
	policyFailures = "failures"
)

const (
	// maxFailures is how many answers of 401 an address gets in a window. An API
	// key cannot be guessed; an administrator's token chosen by a person can.
	maxFailures = 60
	// maxKnown bounds the valid tokens that are remembered.
	maxKnown = 4096
)

// RateLimits counts requests and refuses those beyond a limit. It is safe for
// concurrent use.
type RateLimits struct {
	perKey, perAddress int
	limiter            *limiter
	clients            *header.Clients
	limited            *prometheus.CounterVec
	known              *lru.Cache[[sha256.Size]byte, struct{}] // digests of tokens that were valid
}

// NewRateLimits returns the rate limits of cfg for clients. Its metric is registered
// with reg unless that is nil.
func NewRateLimits(cfg Limits, clients *header.Clients, reg prometheus.Registerer) *RateLimits {
	known, err := lru.New[[sha256.Size]byte, struct{}](maxKnown)
	if err != nil { // only for a size below 1
		panic(err)
	}
	l := &RateLimits{
		perKey: cfg.PerKey, perAddress: cfg.PerAddress,
		limiter: newLimiter(limiterConfig{Counter: cfg.Counter, Prefix: cfg.Prefix + "limit:v1:", Window: cfg.Window}),
		clients: clients, known: known,
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_limited_total", Help: "Requests rejected with a 429, by policy: address, key or failures.",
		}, []string{"policy"}),
	}
	if reg != nil {
		reg.MustRegister(l.limited)
	}
	return l
}

// policyUse is one use of a policy's quota.
type policyUse struct {
	policy string
	use
}

// Guard counts the request. It returns nil, the 429 of a limit, or the error of check.
// check authenticates the caller and returns the id of its API key, "" for callers
// without a limit of their own; it is nil for routes without authentication. An
// address that has used up its requests is refused before its token is checked. So is
// an address with too many failures, unless its token was valid before: clients behind
// one address must not lock each other out. The request is counted after check, so
// that address and key are counted in one call.
func (l *RateLimits) Guard(w http.ResponseWriter, r *http.Request, check func(*http.Request) (key string, err error)) error {
	uses := make([]policyUse, 0, 2)
	address, failures, byAddress := l.ofAddress(r)
	if byAddress {
		if ok, state := l.limiter.Look(address.use); !ok {
			return l.refuse(w, []policyUse{address}, []quotaState{state})
		}
		uses = append(uses, address)
	}
	if check == nil {
		return l.take(w, r, uses)
	}
	if byAddress {
		if ok, state := l.limiter.Look(failures.use); !ok && !l.remembers(r.Header) {
			return l.refuse(w, []policyUse{failures}, []quotaState{state})
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
		uses = append(uses, policyUse{policyKey, use{Key: policyKey + ":" + key, Quota: l.perKey}})
	}
	if limited := l.take(w, r, uses); limited != nil {
		return limited
	}
	return err
}

// ofAddress returns a request and a failure of the client's address as uses; limited
// is false if the address has no limit. Clients on this machine have none: they are
// its operator's, or come through an undeclared proxy, which makes them all one.
func (l *RateLimits) ofAddress(r *http.Request) (request, failure policyUse, limited bool) {
	if l.perAddress <= 0 {
		return policyUse{}, policyUse{}, false
	}
	addr, local := l.clients.Address(r)
	if local {
		return policyUse{}, policyUse{}, false
	}
	name := header.Network(addr)
	request = policyUse{policyAddress, use{Key: policyAddress + ":" + name, Quota: l.perAddress}}
	failure = policyUse{policyFailures, use{Key: policyFailures + ":" + name, Quota: maxFailures}}
	return request, failure, true
}

// take counts the uses and sets the headers that tell the client what is left.
func (l *RateLimits) take(w http.ResponseWriter, r *http.Request, uses []policyUse) error {
	if len(uses) == 0 {
		return nil
	}
	counted := make([]use, len(uses))
	for i, u := range uses {
		counted[i] = u.use
	}
	ok, states := l.limiter.Take(r.Context(), counted...)
	if !ok {
		return l.refuse(w, uses, states)
	}
	l.describe(w.Header(), uses, states)
	return nil
}

// refuse returns the problem of a request that exceeds a limit.
func (l *RateLimits) refuse(w http.ResponseWriter, uses []policyUse, states []quotaState) error {
	l.describe(w.Header(), uses, states)
	var u policyUse
	var longest time.Duration // until every exhausted limit admits a request again
	for i, s := range states {
		if s.Left == 0 && s.Wait >= longest {
			u, longest = uses[i], s.Wait
		}
	}
	l.limited.WithLabelValues(u.policy).Inc()
	wait := strconv.Itoa(max(seconds(longest), 1))
	whose := map[string]string{
		policyAddress: "requests from this address", policyKey: "requests with this API key",
		policyFailures: "requests without a valid token from this address",
	}[u.policy]
	return problem.New("rate_limited", fmt.Sprintf("too many %s: %d per %d seconds are allowed; retry in %s seconds",
		whose, u.Quota, seconds(l.limiter.cfg.Window), wait)).With("Retry-After", wait)
}

// describe sets the two headers of draft-ietf-httpapi-ratelimit-headers: what is
// allowed (q requests in w seconds), and how many are left (r) for the next t seconds,
// after which one more is restored.
func (l *RateLimits) describe(h http.Header, uses []policyUse, states []quotaState) {
	var policies, left []byte
	for i, u := range uses {
		policies = appendItem(policies, u.policy, ";q=", u.Quota, ";w=", seconds(l.limiter.cfg.Window))
		left = appendItem(left, u.policy, ";r=", states[i].Left, ";t=", seconds(states[i].Wait))
	}
	// Spelled as in the draft, not as net/http would.
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
	var p *problem.Error
	return errors.As(err, &p) && p.Status == http.StatusUnauthorized
}

// remember notes that the request's token, if it has one, is valid.
func (l *RateLimits) remember(h http.Header) {
	if token, ok := header.Bearer(h); ok {
		l.known.Add(sha256.Sum256([]byte(token)), struct{}{})
	}
}

// remembers reports whether the request's token was valid before.
func (l *RateLimits) remembers(h http.Header) bool {
	token, ok := header.Bearer(h)
	return ok && l.known.Contains(sha256.Sum256([]byte(token)))
}
