package outbox_test

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"vitrine/bench/testenv"
	"vitrine/product/outbox"
)

func TestCollector(t *testing.T) {
	t.Parallel()
	store := testenv.Database(t)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(store.Collector(), outbox.New(store).Collector())
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
	c := testenv.New(t)
	want := func(want outbox.JobStat) {
		t.Helper()
		got, err := c.Outbox.JobStats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	want(outbox.JobStat{})
	owners := []int64{c.User, c.AddUser(), c.AddUser()}
	for i, owner := range owners {
		c.AddBacklog(owner, 1+2*i)
	}
	l := testenv.NewJobSink(c)
	testenv.Run(t, outbox.NewJobRelay(c.Outbox, l, outbox.Limits{PerOwner: 2}, nil, testenv.Quiet()).Run)
	for range 2 { // what is at work counts like what is not
		l.ClaimNext()
	}
	testenv.Eventually(t, "five are in flight", func() bool { return c.Count("outbox WHERE claim IS NULL") == 4 && c.Count("outbox") == 4 })
	want(outbox.JobStat{OwnersWaiting: 2, InFlight: 5, InFlightMost: 2})
}
