package postgres

import "github.com/prometheus/client_golang/prometheus"

var (
	poolOpen = prometheus.NewDesc("vitrine_postgresql_connections",
		"Connections to PostgreSQL.", []string{"state"}, nil)
	poolWaits = prometheus.NewDesc("vitrine_postgresql_waits_total",
		"Calls that waited for a free connection.", nil, nil)
)

// Collector returns a collector of the connection pool's state.
func (s *DB) Collector() prometheus.Collector { return poolCollector{s} }

type poolCollector struct{ db *DB }

func (c poolCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- poolOpen
	descs <- poolWaits
}

func (c poolCollector) Collect(metrics chan<- prometheus.Metric) {
	pool := c.db.Stats()
	metrics <- prometheus.MustNewConstMetric(poolOpen, prometheus.GaugeValue, float64(pool.InUse), "in_use")
	metrics <- prometheus.MustNewConstMetric(poolOpen, prometheus.GaugeValue, float64(pool.Idle), "idle")
	metrics <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(pool.WaitCount))
}
