package outbox

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product/postgres"
)

var (
	outboxRows = prometheus.NewDesc("vitrine_outbox_rows",
		"Outbox rows, whether due or not.", []string{"kind"}, nil)
	outboxAge = prometheus.NewDesc("vitrine_outbox_oldest_due_seconds",
		"How long the oldest due outbox row has been waiting.", []string{"kind"}, nil)
	ownersWaiting = prometheus.NewDesc("vitrine_image_owners_waiting",
		"Owners with images waiting for first processing, counted up to 10,000.", nil, nil)
	jobsInFlight = prometheus.NewDesc("vitrine_image_jobs_in_flight",
		"First-processing jobs that were sent to the queue and have not finished.", nil, nil)
	jobsInFlightMost = prometheus.NewDesc("vitrine_image_jobs_in_flight_owner_max",
		"First-processing jobs in flight of the owner with the most.", nil, nil)
	reprocessDue = prometheus.NewDesc("vitrine_image_reprocess_due",
		"Ready images due for reprocessing, counted up to 10,000.", nil, nil)
)

// Collector returns the backlog of the outbox and the state of the connection pool as
// metrics, read at each collection. While PostgreSQL is unavailable, the metrics of the
// outbox and of the jobs are missing.
func (s *Store) Collector() prometheus.Collector { return collector{s} }

type collector struct{ outbox *Store }

func (c collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{outboxRows, outboxAge, ownersWaiting, jobsInFlight, jobsInFlightMost, reprocessDue} {
		descs <- d
	}
}

func (c collector) Collect(metrics chan<- prometheus.Metric) {
	// The interface has no context of its own.
	ctx, cancel := context.WithTimeout(context.Background(), postgres.ScrapeTimeout)
	defer cancel()
	stats, err := c.outbox.Stats(ctx)
	if err != nil {
		return // the missing series, and /readyz, say so
	}
	for _, stat := range stats {
		metrics <- prometheus.MustNewConstMetric(outboxRows, prometheus.GaugeValue, float64(stat.Rows), stat.Kind)
		metrics <- prometheus.MustNewConstMetric(outboxAge, prometheus.GaugeValue, stat.OldestDue.Seconds(), stat.Kind)
	}
	jobs, err := c.outbox.JobStats(ctx)
	if err != nil {
		return
	}
	metrics <- prometheus.MustNewConstMetric(ownersWaiting, prometheus.GaugeValue, float64(jobs.OwnersWaiting))
	metrics <- prometheus.MustNewConstMetric(jobsInFlight, prometheus.GaugeValue, float64(jobs.InFlight))
	metrics <- prometheus.MustNewConstMetric(jobsInFlightMost, prometheus.GaugeValue, float64(jobs.InFlightMost))
	metrics <- prometheus.MustNewConstMetric(reprocessDue, prometheus.GaugeValue, float64(jobs.Reprocess))
}
