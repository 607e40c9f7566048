// Package explore calls an API with requests that it makes of the API's own
// OpenAPI document: valid ones from the schemas, invalid ones by spoiling them,
// and stories in which something is created, read, changed and deleted. It holds
// every answer to the document, and the document to the answers: what a schema
// allows must be taken, what it forbids must be refused, and nothing is answered
// 5xx.
//
// It calls one address, that of a test server, and no more often than it is told.
package explore

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vitrine/bench/contract/conform"
)

// Config says what is called and how often.
type Config struct {
	URL      string // of the service, without a path
	Token    string // bearer token, if the service wants one
	Requests int    // how many are sent in all
	Workers  int    // how many at the same time
	Limit    time.Duration
	// Seed makes the same requests again, but for the ids and cursors that the
	// service gives.
	Seed uint64
	// Sources is the address that pictures are said to come from, without a path.
	Sources string
}

// Report is what came out.
type Report struct {
	Seed       uint64
	Requests   int
	Kinds      map[string]int         // valid, spoilt, story
	Statuses   map[string]map[int]int // by operation
	Violations []string               // at most 100
	Took       time.Duration
}

// maxViolations bounds the report: one defect shows in many answers.
const maxViolations = 100

// Run sends the requests and gives the report. The error is for what keeps it from
// being one: no answers, or ctx ended.
func Run(ctx context.Context, cfg Config, contract *conform.Contract) (Report, error) {
	e := &explorer{
		cfg: cfg, contract: contract, report: Report{Seed: cfg.Seed, Kinds: map[string]int{}, Statuses: map[string]map[int]int{}},
		client: &http.Client{
			Timeout:       30 * time.Second,
			Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: cfg.Workers},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	defer e.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, cfg.Limit)
	defer cancel()
	began := time.Now()
	var all sync.WaitGroup
	errs := make([]error, cfg.Workers)
	for i := range cfg.Workers {
		all.Go(func() { errs[i] = newWorker(e, uint64(i)).run(ctx) })
	}
	all.Wait()
	e.report.Took = time.Since(began)
	for _, err := range errs {
		if err != nil {
			return e.report, err
		}
	}
	return e.report, nil
}

// explorer is what the workers share.
type explorer struct {
	cfg      Config
	contract *conform.Contract
	client   *http.Client

	mu     sync.Mutex
	sent   int
	report Report
}

// take counts a request that is about to be sent, and says no when there were
// enough.
func (e *explorer) take(kind string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sent >= e.cfg.Requests {
		return false
	}
	e.sent++
	e.report.Kinds[kind]++
	return true
}

func (e *explorer) note(operation string, status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report.Requests++
	if e.report.Statuses[operation] == nil {
		e.report.Statuses[operation] = map[int]int{}
	}
	e.report.Statuses[operation][status]++
}

func (e *explorer) violation(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.report.Violations) < maxViolations {
		e.report.Violations = append(e.report.Violations, fmt.Sprintf(format, args...))
	}
}

// Totals are the statuses of all operations together.
func (r Report) Totals() map[int]int {
	totals := map[int]int{}
	for _, statuses := range r.Statuses {
		for status, n := range statuses {
			totals[status] += n
		}
	}
	return totals
}

// Print writes the report for people.
func (r Report) Print(w io.Writer) {
	for _, operation := range slices.Sorted(maps.Keys(r.Statuses)) {
		fmt.Fprintf(w, "%-50s %s\n", operation, line(r.Statuses[operation]))
	}
	fmt.Fprintf(w, "\nall: %s\n", line(r.Totals()))
	fmt.Fprintf(w, "%d requests (%d valid, %d spoilt, %d in stories) in %s, seed %d\n", r.Requests, r.Kinds[kindValid], r.Kinds[kindSpoilt],
		r.Kinds[kindStory], r.Took.Round(time.Millisecond), r.Seed)
	for _, v := range r.Violations {
		fmt.Fprintf(w, "VIOLATION %s\n", v)
	}
	fmt.Fprintf(w, "violations %d\n", len(r.Violations))
}

func line(statuses map[int]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		parts = append(parts, fmt.Sprintf("%d: %d", status, statuses[status]))
	}
	return strings.Join(parts, ", ")
}
