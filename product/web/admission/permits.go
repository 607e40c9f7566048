package admission

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Permits bounds the concurrent requests of one long kind. A user has at most a
// quarter of them; callers who act for all users may have all. It is safe for
// concurrent use.
type Permits struct {
	most, each int

	mu    sync.Mutex
	taken int
	users map[string]int // permits of each user that has some
}

// NewPermits returns n permits. The number in use is a metric, registered with reg
// unless that is nil.
func NewPermits(n int, reg prometheus.Registerer, metric, help string) *Permits {
	p := &Permits{most: n, each: max(n/4, 1), users: map[string]int{}}
	if reg != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help}, p.inUse))
	}
	return p
}

func (p *Permits) inUse() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return float64(p.taken)
}

// Take takes a permit for a user, or for a caller who acts for all users if user is
// "". It reports whether there was one; the caller then has to call Return.
func (p *Permits) Take(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.most || user != "" && p.users[user] >= p.each {
		return false
	}
	p.taken++
	if user != "" {
		p.users[user]++
	}
	return true
}

// Return gives a permit back, for the same user.
func (p *Permits) Return(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if user == "" {
		return
	}
	if p.users[user]--; p.users[user] == 0 {
		delete(p.users, user)
	}
}
