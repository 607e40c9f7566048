package product

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type reworkMetrics struct {
	ended   *prometheus.CounterVec
	seconds prometheus.Histogram
	saved   prometheus.Counter
}

// newReworkMetrics registers the metrics with reg; nil registers them nowhere.
func newReworkMetrics(reg prometheus.Registerer) *reworkMetrics {
	f := promauto.With(reg)
	return &reworkMetrics{
		ended: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_image_reworks_total",
			Help: "Tries to rework ready images by reason (webp, reprocess, focal) and outcome (reworked, unchanged, skipped, retry, kept).",
		}, []string{"reason", "outcome"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "vitrine_image_rework_seconds", Help: "Time of tries that ended the rework of an image.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 11),
		}),
		saved: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_rework_saved_bytes_total", Help: "Bytes by which WebP variants are smaller than those of the same size.",
		}),
	}
}
