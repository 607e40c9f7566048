package web

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"
)

// slots bounds how many requests of a kind stay long at the same time.
type slots chan struct{}

// newSlots makes n slots, whose use is a metric.
func newSlots(n int, reg prometheus.Registerer, metric, help string) slots {
	s := make(slots, n)
	if reg != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help},
			func() float64 { return float64(len(s)) }))
	}
	return s
}

// take takes a slot; false says that all are taken.
func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// free gives a slot back.
func (s slots) free() { <-s }

// initLong sets up what requests need that stay long.
func (a *api) initLong(cfg Config, reg prometheus.Registerer) {
	a.stop = cfg.Stopping
	if a.heartbeat = cfg.Heartbeat; a.heartbeat <= 0 {
		a.heartbeat = defaultHeartbeat
	}
	a.waiting = newSlots(cmp.Or(cfg.Waiting, defaultWaiting), reg,
		"vitrine_http_waiting_requests", "Answers that are held because of Prefer: wait.")
	a.streams = newSlots(cmp.Or(cfg.EventStreams, defaultEventStreams), reg, "vitrine_event_streams", "Event streams that are open.")
	a.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vitrine_event_streams_ended_total", Help: "Event streams that ended, by reason.",
	}, []string{"reason"})
	if reg != nil {
		reg.MustRegister(a.ended)
	}
}
