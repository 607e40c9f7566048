package catalogue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jmoiron/sqlx"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// describe writes a filter for people.
func describe(f product.Filter) string {
	text, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

type explained struct {
	query  string
	plan   testenv.PlanNode
	millis float64
}

// explainer is a transaction in which every statement is explained, with its own
// parameters, before it runs.
type explainer struct {
	sqlx.QueryerContext
	plans []explained
}

func (e *explainer) QueryxContext(ctx context.Context, q string, args ...any) (*sqlx.Rows, error) {
	var text []byte
	if err := e.QueryRowxContext(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+q, args...).Scan(&text); err != nil {
		return nil, fmt.Errorf("explain %s: %w", q, err)
	}
	var found []struct {
		Plan   testenv.PlanNode `json:"Plan"`
		Millis float64          `json:"Execution Time"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	e.plans = append(e.plans, explained{q, found[0].Plan, found[0].Millis})
	return e.QueryerContext.QueryxContext(ctx, q, args...)
}

// check reports what the plans of a list must not do, and returns the number of rows that
// they read.
func (e *explainer) check(t *testing.T, f product.Filter) (rows int) {
	sorted := float64(catalogue.ReadLimit)
	if f == (product.Filter{UserID: f.UserID, Sort: f.Sort, Limit: f.Limit, Cursor: f.Cursor, Total: f.Total}) {
		sorted = 0 // there is an index for it
	}
	for _, x := range e.plans {
		for _, fault := range x.plan.Faults(sorted) {
			t.Errorf("%s: %s in %s", describe(f), fault, x.query)
		}
		// A product is looked up for each row of product_states.
		if n := x.plan.RowsRead(); n > 2*catalogue.ReadLimit+1 {
			t.Errorf("%s: reads %d rows in %s", describe(f), n, x.query)
		}
		rows += x.plan.RowsRead()
	}
	return rows
}
