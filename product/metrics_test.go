package product_test

import (
	"slices"
	"testing"

	"vitrine/bench/testenv"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/product"
	"vitrine/product/producttest"
)

func TestCollector(t *testing.T) {
	t.Parallel()
	store := producttest.DB(t)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(store.Collector())
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	want := []string{
		"vitrine_image_jobs_in_flight", "vitrine_image_jobs_in_flight_owner_max", "vitrine_image_owners_waiting", "vitrine_image_reprocess_due",
		"vitrine_outbox_oldest_due_seconds", "vitrine_outbox_rows",
		"vitrine_postgresql_connections", "vitrine_postgresql_waits_total",
	}
	if !slices.Equal(names, want) {
		t.Errorf("metrics %v, want %v", names, want)
	}
	if kinds := len(families[4].GetMetric()); kinds != 4 {
		t.Errorf("outbox rows of %d kinds, want 4", kinds)
	}
}

func TestJobStats(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	want := func(want product.JobStat) {
		t.Helper()
		got, err := c.outbox.JobStats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	want(product.JobStat{})
	owners := []int64{c.user, c.addUser(), c.addUser()}
	for i, owner := range owners {
		c.backlog(owner, 1+2*i)
	}
	l := newLine(c)
	testenv.Run(t, product.NewJobRelay(c.outbox, l, product.JobLimits{PerOwner: 2}, nil, testenv.Quiet()).Run)
	for range 2 { // what is at work counts like what is not
		l.begin()
	}
	testenv.Eventually(t, "five are in flight", func() bool { return c.count("outbox WHERE claim IS NULL") == 4 && c.count("outbox") == 4 })
	want(product.JobStat{OwnersWaiting: 2, InFlight: 5, InFlightMost: 2})
}
