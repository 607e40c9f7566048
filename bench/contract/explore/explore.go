// Package explore sends requests to an API that it generates from the API's OpenAPI
// document: valid ones from the schemas, invalid ones by spoiling them, and stories in
// which something is created, read, changed and deleted. It checks every answer against
// the document, and the document against the answers: what a schema allows must be
// accepted, what it forbids must be refused, and nothing is answered with 5xx.
//
// It calls one address, that of a test server, as often as configured.
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

// Config configures a run.
type Config struct {
	URL      string // of the service, without a path
	Token    string // bearer token, if the service requires one
	Requests int    // to send in total
	Workers  int    // that send concurrently
	Limit    time.Duration
	// Seed repeats the requests of an earlier run, except for ids and cursors from the
	// service.
	Seed uint64
	// Sources is the address in image URLs, without a path.
	Sources string
}

// Report is the result of a run.
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

// Run sends the requests and returns the report. It fails if the service does not answer
// or ctx ends.
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

// explorer is the state that the workers share.
type explorer struct {
	cfg      Config
	contract *conform.Contract
	client   *http.Client

	mu     sync.Mutex
	sent   int
	report Report
}

// take counts a request to be sent, and reports whether it may be sent.
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

// Totals returns the answers of all operations by status.
func (r Report) Totals() map[int]int {
	totals := map[int]int{}
	for _, statuses := range r.Statuses {
		for status, n := range statuses {
			totals[status] += n
		}
	}
	return totals
}

// Print writes the report as text.
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
