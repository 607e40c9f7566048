package worker

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"vitrine/imaging/process"
)

type metrics struct {
	attempts    *prometheus.CounterVec
	stages      *prometheus.HistogramVec
	sourceBytes prometheus.Counter
	storedBytes prometheus.Counter
	duplicates  prometheus.Counter
	running     prometheus.Gauge

	reprocessed      *prometheus.CounterVec
	reprocessSeconds prometheus.Histogram
	reprocessSaved   prometheus.Counter
}

// newMetrics returns the metrics, registered with reg unless that is nil.
func newMetrics(reg prometheus.Registerer, process *process.Processor) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vitrine_image_memory_bytes", Help: "Bytes of memory granted to images in progress.",
	}, func() float64 { return float64(process.MemoryUsed()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vitrine_image_memory_waiting", Help: "Images waiting for memory.",
	}, func() float64 { return float64(process.MemoryWaiting()) })
	return &metrics{
		attempts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_image_attempts_total", Help: "Finished attempts at first processing, by outcome (ready, retry, failed, lost) and code.",
		}, []string{"outcome", "code"}),
		stages: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitrine_image_stage_seconds", Help: "Duration of a stage of an attempt, excluding waits for memory and CPU.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"stage"}),
		sourceBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_source_bytes_total", Help: "Bytes of source images downloaded.",
		}),
		storedBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_stored_bytes_total", Help: "Bytes of objects stored.",
		}),
		duplicates: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_duplicates_total", Help: "Images that reused the variants of another image of the same product with the same source.",
		}),
		running: f.NewGauge(prometheus.GaugeOpts{
			Name: "vitrine_image_jobs_running", Help: "Image jobs being executed.",
		}),
		reprocessed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_image_reprocess_attempts_total",
			Help: "Finished attempts to reprocess ready images, by reason (focal, reprocess, pipeline, webp) and outcome (reprocessed, unchanged, retry, kept, lost).",
		}, []string{"reason", "outcome"}),
		reprocessSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "vitrine_image_reprocess_seconds", Help: "Duration of attempts that completed the reprocessing of an image.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 11),
		}),
		reprocessSaved: f.NewCounter(prometheus.CounterOpts{
			Name: "vitrine_image_reprocess_saved_bytes_total", Help: "Bytes by which WebP variants are smaller than the JPEG or PNG variants of the same size.",
		}),
	}
}
