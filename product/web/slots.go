package web

import (
	"cmp"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// slots bounds how many requests of a kind stay long at the same time. No user has
// more than a quarter of them; those who act for all users have all. It is safe for
// concurrent use.
type slots struct {
	most, each int

	mu    sync.Mutex
	taken int
	users map[string]int // who have some, by their callers' names
}

// newSlots makes n slots, whose use is a metric.
func newSlots(n int, reg prometheus.Registerer, metric, help string) *slots {
	s := &slots{most: n, each: max(n/4, 1), users: map[string]int{}}
	if reg != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help}, s.use))
	}
	return s
}

func (s *slots) use() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.taken)
}

// take takes a slot for the caller; false says that all are taken, or all that the
// caller may have. A slot that was taken is freed for the same caller.
func (s *slots) take(c caller) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.most || !c.everybody() && s.users[c.name] >= s.each {
		return false
	}
	s.taken++
	if !c.everybody() {
		s.users[c.name]++
	}
	return true
}

// free gives a slot of the caller's back.
func (s *slots) free(c caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if c.everybody() {
		return
	}
	if s.users[c.name]--; s.users[c.name] == 0 {
		delete(s.users, c.name)
	}
}

// initLong sets up what requests need that stay long.
func (a *api) initLong(cfg Config, reg prometheus.Registerer) {
	a.stop = cfg.Stopping
	if a.heartbeat = cfg.Heartbeat; a.heartbeat <= 0 {
		a.heartbeat = defaultHeartbeat
	}
	a.waiting = newSlots(cmp.Or(cfg.Waiting, defaultWaiting), reg,
		"vitrine_http_waiting_requests", "Answers that are held because of Prefer: wait.")
	a.streams = newSlots(cmp.Or(cfg.EventStreams, defaultEventStreams), reg, "vitrine_event_streams", "Event streams that are open.")
	a.uploads.forms = newSlots(cmp.Or(cfg.UploadForms, defaultUploadForms), reg, "vitrine_http_upload_forms", "Forms with a file that are being read.")
	a.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vitrine_event_streams_ended_total", Help: "Event streams that ended, by reason.",
	}, []string{"reason"})
	if reg != nil {
		reg.MustRegister(a.ended)
	}
}
