package event_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/postgres"
)

func TestSlowSubscriberIsCutOff(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	slow, quick := subscribe(c, product.Everything(), event.Filter{}), subscribe(c, product.Everything(), event.Filter{})
	const many = 3000
	c.Exec(`INSERT INTO event_inbox (type, product_id, user_id, version, occurred_at)
		SELECT 'product.updated', $1, $2, n, now() FROM generate_series(1, $3) AS n`, testenv.UnknownID, c.User, many)
	for i := range many {
		if e := testenv.Receive(t, "an event", quick.Events()); e.Position != int64(i)+1 {
			t.Fatalf("position %d, want %d", e.Position, i+1)
		}
	}
	n := 0
	for e := testenv.Receive(t, "an event", slow.Events()); e != nil; e = testenv.Receive(t, "an event", slow.Events()) {
		if n++; e.Position != int64(n) {
			t.Fatalf("position %d, want %d", e.Position, n)
		}
	}
	if n < 1000 || n >= many {
		t.Errorf("the slow subscriber was cut off after %d events", n)
	}
	if slow.Reached() != 0 || quick.Reached() != many {
		t.Errorf("the slow subscriber reached %d and the quick one %d", slow.Reached(), quick.Reached())
	}
	// The log has the rest.
	if page, err := c.Events.Events(t.Context(), product.Everything(), event.Filter{}, int64(n)); err != nil ||
		page.Lost || page.Events[0].Position != int64(n)+1 || page.Last != many {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestOldEventsArePurged(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	for range 3 {
		c.NewProduct()
	}
	eventsAfter(c, product.Everything(), event.Filter{}, 0, 3)
	c.Exec(`UPDATE events SET occurred_at = now() - CASE position WHEN 3 THEN interval '23 hours' ELSE interval '25 hours' END`)
	c.Reconcile(testenv.BusyQueue)
	for after, lost := range map[int64]bool{0: true, 1: true, 2: false, 3: false, 4: true} {
		page, err := c.Events.Events(t.Context(), product.Everything(), event.Filter{}, after)
		if err != nil || page.Lost != lost || page.Last != 3 {
			t.Errorf("after %d: %+v, %v, want lost %t", after, page, err, lost)
		}
	}
	if n := c.Count("events"); n != 1 {
		t.Errorf("%d events remain, want 1", n)
	}
	// A reader that has received every event loses nothing when all are purged.
	c.Exec(`UPDATE events SET occurred_at = now() - interval '25 hours'`)
	c.Reconcile(testenv.BusyQueue)
	if page, err := c.Events.Events(t.Context(), product.Everything(), event.Filter{}, 3); err != nil || page.Lost || page.Position != 3 {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestEventsWithoutTheListener loses every notification. The poll finds the events.
func TestEventsWithoutTheListener(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	dsn, err := url.Parse(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, dsn.Host)
	dsn.Host = p.Addr
	listener := postgres.NewListener(dsn.String(), testenv.Quiet())
	testenv.Run(t, event.NewTailer(c.Events, listener.Wake(event.Channel, ""), testenv.Quiet()).Run)
	testenv.Run(t, listener.Run)
	other := c.AnotherReplica()
	testenv.Run(t, event.NewSequencer(other.Events, testenv.Quiet()).Run)

	sub := subscribe(c, product.Everything(), event.Filter{})
	p.Refuse()
	w := other.NewProduct()
	if e := testenv.Receive(t, "an event", sub.Events()); e.ProductID != w.ID {
		t.Errorf("got %s", e.Data)
	}
}

func TestSubscribeWithoutTailer(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	began := time.Now()
	_, err := c.Events.Subscribe(t.Context(), product.Everything(), event.Filter{})
	testenv.WantErr(t, err, product.ErrUnavailable)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Subscribe took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Events.Subscribe(ctx, product.Everything(), event.Filter{})
	testenv.WantErr(t, err, context.Canceled)
}

func TestEventMetrics(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	sub := subscribe(c, product.Everything(), event.Filter{})
	c.NewProduct()
	c.NewProduct()
	testenv.Receive(t, "an event", sub.Events())
	testenv.Receive(t, "an event", sub.Events())
	sub.Reached() // it returns after the hub has recorded the position
	reg := prometheus.NewRegistry()
	reg.MustRegister(c.Events.Collector())
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
	}
	want := map[string]float64{
		"vitrine_events_total": 2, "vitrine_event_inbox_rows": 0, "vitrine_event_inbox_oldest_seconds": 0, "vitrine_events_behind": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}
