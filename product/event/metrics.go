package event

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product/postgres"
)

var (
	eventsTotal = prometheus.NewDesc("vitrine_events_total",
		"Changes in the event log since it was made, by all replicas.", nil, nil)
	eventInbox = prometheus.NewDesc("vitrine_event_inbox_rows",
		"Changes that have no place in the event log yet.", nil, nil)
	eventInboxAge = prometheus.NewDesc("vitrine_event_inbox_oldest_seconds",
		"How long the oldest of them has been waiting.", nil, nil)
	eventsBehind = prometheus.NewDesc("vitrine_events_behind",
		"Events in the log that this process has not handed out yet; 0 while nobody waits for any.", nil, nil)
)

// Collector gives the state of the event log as metrics, read whenever they are
// asked for. While PostgreSQL is out of reach they are left out.
func (s *Log) Collector() prometheus.Collector { return eventCollector{s} }

type eventCollector struct{ log *Log }

func (c eventCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{eventsTotal, eventInbox, eventInboxAge, eventsBehind} {
		descs <- d
	}
}

func (c eventCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), postgres.ScrapeTimeout) // the interface has no context of its own
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
		return // the missing series, and /readyz, say so
	}
	behind := 0.0
	if position, following, _, _ := c.log.Hub.look(); following {
		behind = float64(max(0, log.Last-position))
	}
	metrics <- prometheus.MustNewConstMetric(eventsTotal, prometheus.CounterValue, float64(log.Last))
	metrics <- prometheus.MustNewConstMetric(eventInbox, prometheus.GaugeValue, float64(log.Inbox))
	metrics <- prometheus.MustNewConstMetric(eventInboxAge, prometheus.GaugeValue, log.Age)
	metrics <- prometheus.MustNewConstMetric(eventsBehind, prometheus.GaugeValue, behind)
}
