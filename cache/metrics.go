package cache

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of one cache. The label result is hit, miss, bypass (Redis
// is not trusted) or error; call is the name of a call to Redis.
type metrics struct {
	reads    *prometheus.CounterVec
	failures *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, trusted func() bool) (metrics, error) {
	m := metrics{
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_cache_reads_total", Help: "Reads by result: hit, miss, bypass or error.",
		}, []string{"result"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_cache_failures_total", Help: "Calls to Redis that failed, or were not made because the breaker was open.",
		}, []string{"call"}),
	}
	if reg == nil {
		return m, nil
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vitrine_cache_trusted", Help: "1 while reads are served from Redis, otherwise 0.",
	}, func() float64 {
		if trusted() {
			return 1
		}
		return 0
	})
	for _, collector := range []prometheus.Collector{m.reads, m.failures, gauge} {
		if err := reg.Register(collector); err != nil {
			return metrics{}, fmt.Errorf("cache: metrics: %w", err)
		}
	}
	return m, nil
}

func (m metrics) failed(call string) { m.failures.WithLabelValues(call).Inc() }

func (m metrics) read(hit bool, err error) {
	result := "miss"
	switch {
	case err != nil:
		result = "error"
	case hit:
		result = "hit"
	}
	m.reads.WithLabelValues(result).Inc()
}
