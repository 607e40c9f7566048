package product_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product"
)

func TestSlowSubscriberIsCutOff(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.follow()
	slow, quick := c.subscribe(product.Everything(), product.EventFilter{}), c.subscribe(product.Everything(), product.EventFilter{})
	const many = 3000
	c.exec(`INSERT INTO event_inbox (type, product_id, user_id, version, occurred_at)
		SELECT 'product.updated', $1, $2, n, now() FROM generate_series(1, $3) AS n`, unknownID, c.user, many)
	for i := range many {
		if e := testenv.Receive(t, "a value", quick.Events()); e.Position != int64(i)+1 {
			t.Fatalf("position %d, want %d", e.Position, i+1)
		}
	}
	n := 0
	for e := testenv.Receive(t, "a value", slow.Events()); e != nil; e = testenv.Receive(t, "a value", slow.Events()) {
		if n++; e.Position != int64(n) {
			t.Fatalf("position %d, want %d", e.Position, n)
		}
	}
	if n < 1000 || n >= many {
		t.Errorf("cut off after %d events", n)
	}
	if slow.Reached() != 0 || quick.Reached() != many {
		t.Errorf("reached %d and %d", slow.Reached(), quick.Reached())
	}
	// It goes on where it was.
	if page, err := c.events.Events(t.Context(), product.Everything(), product.EventFilter{}, int64(n)); err != nil ||
		page.Lost || page.Events[0].Position != int64(n)+1 || page.Last != many {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestOldEventsArePruned(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.follow()
	for range 3 {
		c.create()
	}
	c.log(product.Everything(), product.EventFilter{}, 0, 3)
	c.exec(`UPDATE events SET occurred_at = now() - CASE position WHEN 3 THEN interval '23 hours' ELSE interval '25 hours' END`)
	c.reconcile(busy)
	for after, lost := range map[int64]bool{0: true, 1: true, 2: false, 3: false, 4: true} {
		page, err := c.events.Events(t.Context(), product.Everything(), product.EventFilter{}, after)
		if err != nil || page.Lost != lost || page.Last != 3 {
			t.Errorf("after %d: %+v, %v, want lost %t", after, page, err, lost)
		}
	}
	if n := c.count("events"); n != 1 {
		t.Errorf("%d events are left, want 1", n)
	}
	// Where all are gone, who had the last one has lost nothing.
	c.exec(`UPDATE events SET occurred_at = now() - interval '25 hours'`)
	c.reconcile(busy)
	if page, err := c.events.Events(t.Context(), product.Everything(), product.EventFilter{}, 3); err != nil || page.Lost || page.Position != 3 {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestEventsWithoutTheListener loses every notification: the poll finds the events.
func TestEventsWithoutTheListener(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	dsn, err := url.Parse(c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, dsn.Host)
	dsn.Host = p.Addr
	listener := product.NewListener(dsn.String(), testenv.Quiet())
	testenv.Run(t, listener.Run)
	testenv.Run(t, product.NewTailer(c.events, listener.Wake(product.EventChannel, ""), testenv.Quiet()).Run)
	other := c.twin()
	testenv.Run(t, product.NewSequencer(other.events, testenv.Quiet()).Run)

	sub := c.subscribe(product.Everything(), product.EventFilter{})
	p.Refuse()
	w := other.create()
	if e := testenv.Receive(t, "a value", sub.Events()); e.ProductID != w.ID {
		t.Errorf("got %s", e.Data)
	}
}

func TestSubscribeWithoutTailer(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	began := time.Now()
	_, err := c.events.Subscribe(t.Context(), product.Everything(), product.EventFilter{})
	wantErr(t, err, product.ErrUnavailable)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.events.Subscribe(ctx, product.Everything(), product.EventFilter{})
	wantErr(t, err, context.Canceled)
}

func TestEventMetrics(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.follow()
	sub := c.subscribe(product.Everything(), product.EventFilter{})
	c.create()
	c.create()
	testenv.Receive(t, "a value", sub.Events())
	testenv.Receive(t, "a value", sub.Events())
	sub.Reached() // has been handed out when it gives an answer
	reg := prometheus.NewRegistry()
	reg.MustRegister(c.events.Collector())
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
