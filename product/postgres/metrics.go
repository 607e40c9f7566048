package postgres

import "github.com/prometheus/client_golang/prometheus"

var (
	poolOpen = prometheus.NewDesc("vitrine_postgresql_connections",
		"Connections to PostgreSQL.", []string{"state"}, nil)
	poolWaits = prometheus.NewDesc("vitrine_postgresql_waits_total",
		"Times that somebody waited for a free connection.", nil, nil)
)

// Collector returns the state of the connection pool as metrics.
func (s *DB) Collector() prometheus.Collector { return poolCollector{s} }

type poolCollector struct{ store *DB }

func (c poolCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- poolOpen
	descs <- poolWaits
}

func (c poolCollector) Collect(metrics chan<- prometheus.Metric) {
	pool := c.store.Stats()
	metrics <- prometheus.MustNewConstMetric(poolOpen, prometheus.GaugeValue, float64(pool.InUse), "in_use")
	metrics <- prometheus.MustNewConstMetric(poolOpen, prometheus.GaugeValue, float64(pool.Idle), "idle")
	metrics <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(pool.WaitCount))
}
