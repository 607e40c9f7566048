package web_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"vitrine/bench/contract/explore"
	"vitrine/bench/testenv"
	"vitrine/product/event"
	"vitrine/product/web"
	"vitrine/product/web/health"
)

// Requests that are generated from the document get documented responses. `make fuzz-api`
// sends many more of them, to the whole program with images to process.
func TestRequestsMadeOfTheDocument(t *testing.T) {
	t.Parallel()
	const token = "explorer"
	s := newGallery(t, 20<<20, web.Config{AdminToken: token, Checks: []health.Check{{Name: "postgresql", Required: true, Check: up}}})
	testenv.RunEventLog(t, s.dsn, s.service.Events.(*event.Log))
	report, err := explore.Run(t.Context(), explore.Config{
		URL: s.url, Token: token, Requests: 2000, Workers: 4, Limit: 2 * time.Minute, Seed: rand.Uint64(), Sources: "http://127.0.0.1:9",
	}, documented)
	var text bytes.Buffer
	report.Print(&text)
	t.Log(text.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range report.Violations {
		t.Error(v)
	}
	// The requests are useful only if they reach every route.
	totals := report.Totals()
	for _, status := range []int{200, 201, 202, 304, 400, 404, 405, 412, 415, 422} {
		if totals[status] == 0 {
			t.Errorf("no request was answered %d", status)
		}
	}
	for _, op := range documented.Operations {
		if len(report.Statuses[op.Method+" "+op.Path]) == 0 {
			t.Errorf("%s %s was never called", op.Method, op.Path)
		}
	}
}
