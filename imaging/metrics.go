package imaging

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	tries       *prometheus.CounterVec
	stages      *prometheus.HistogramVec
	sourceBytes prometheus.Counter
	storedBytes prometheus.Counter
	twins       prometheus.Counter
	running     prometheus.Gauge
}

// newMetrics registers the metrics with reg; nil registers them nowhere.
func newMetrics(reg prometheus.Registerer, process *Processor) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vitrine_image_memory_bytes", Help: "Memory admitted to pictures at work.",
	}, func() float64 { return float64(process.MemoryUsed()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vitrine_image_memory_waiting", Help: "Pictures that wait for memory.",
	}, func() float64 { return float64(process.MemoryWaiting()) })
	return &metrics{
		tries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_image_tries_total", Help: "Settled tries by outcome (ready, retry, failed, lost) and code.",
		}, []string{"outcome", "code"}),
		stages: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitrine_image_stage_seconds", Help: "Time of a try's stage, without waiting for memory and CPU.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"stage"}),
		sourceBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_source_bytes_total", Help: "Bytes of downloaded sources.",
		}),
		storedBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_stored_bytes_total", Help: "Bytes of stored objects.",
		}),
		twins: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_twins_total", Help: "Pictures taken over from another image of their product with the same source, not decoded.",
		}),
		running: f.NewGauge(prometheus.GaugeOpts{
			Name: "vitrine_image_jobs_running", Help: "Jobs at work.",
		}),
	}
}
