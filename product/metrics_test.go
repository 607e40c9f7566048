package product_test

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

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
		"vitrine_outbox_oldest_due_seconds", "vitrine_outbox_rows",
		"vitrine_postgresql_connections", "vitrine_postgresql_waits_total",
	}
	if !slices.Equal(names, want) {
		t.Errorf("metrics %v, want %v", names, want)
	}
	if kinds := len(families[1].GetMetric()); kinds != 3 {
		t.Errorf("outbox rows of %d kinds, want 3", kinds)
	}
}
