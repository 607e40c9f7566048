package event

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product/postgres"
)

var (
	eventsTotal = prometheus.NewDesc("vitrine_events_total",
		"Changes added to the event log by all replicas since it was created.", nil, nil)
	eventInbox = prometheus.NewDesc("vitrine_event_inbox_rows",
		"Changes not yet in the event log.", nil, nil)
	eventInboxAge = prometheus.NewDesc("vitrine_event_inbox_oldest_seconds",
		"Age of the oldest change not yet in the event log.", nil, nil)
	eventsBehind = prometheus.NewDesc("vitrine_events_behind",
		"Events in the log that this process has not distributed yet; 0 while it has no subscribers.", nil, nil)
)

// Collector returns a collector of the event log's state. It reads PostgreSQL at every
// scrape and omits the metrics while PostgreSQL is unreachable.
func (s *Log) Collector() prometheus.Collector { return eventCollector{s} }

type eventCollector struct{ log *Log }

func (c eventCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{eventsTotal, eventInbox, eventInboxAge, eventsBehind} {
		descs <- d
	}
}

func (c eventCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), postgres.ScrapeTimeout) // the interface passes no context
	defer cancel()
	const q = `
		SELECT last, (SELECT count(*) FROM event_inbox) AS inbox,
			coalesce(extract(epoch FROM clock_timestamp() - (SELECT occurred_at FROM event_inbox ORDER BY id LIMIT 1)), 0) AS age
		FROM event_log`
	var log struct {
		Last  int64   `db:"last"`
		Inbox int64   `db:"inbox"`
		Age   float64 `db:"age"`
	}
	if err := c.log.store.Get(ctx, "event stats", &log, q); err != nil {
		return // the missing series and /readyz show it
	}
	behind := 0.0
	if position, following, _, _ := c.log.hub.look(); following {
		behind = float64(max(0, log.Last-position))
	}
	metrics <- prometheus.MustNewConstMetric(eventsTotal, prometheus.CounterValue, float64(log.Last))
	metrics <- prometheus.MustNewConstMetric(eventInbox, prometheus.GaugeValue, float64(log.Inbox))
	metrics <- prometheus.MustNewConstMetric(eventInboxAge, prometheus.GaugeValue, log.Age)
	metrics <- prometheus.MustNewConstMetric(eventsBehind, prometheus.GaugeValue, behind)
}
