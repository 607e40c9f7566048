// Package check decides from the history of a run which promises were broken. It uses
// nothing but the history, so the same history yields the same verdict. Begin reading at
// [Check].
package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vitrine/bench/chaos/history"
)

// Rule names a promise that can be broken.
type Rule string

// The rules.
const (
	StaleRead     Rule = "stale read"         // older than a write acknowledged before it began
	LostUpdate    Rule = "update lost"        // a version has a value that it cannot have
	LateWrite     Rule = "late write"         // a write without a response took effect much later
	LostProduct   Rule = "product lost"       // acknowledged, not deleted, but not found
	UndoneDelete  Rule = "delete undone"      // found after an acknowledged delete
	Doubled       Rule = "effect doubled"     // one request, two effects
	RefusedEffect Rule = "refused but done"   // a 4xx response, but the write took effect
	LostJob       Rule = "job lost"           // an image that its product does not show
	StuckJob      Rule = "job stuck"          // neither ready nor failed long after the last fault
	WrongOutcome  Rule = "wrong image status" // a valid picture failed, or an invalid one is ready
	MissingObject Rule = "object missing"     // ready, but an object cannot be read
	ServerError   Rule = "server error"       // 5xx other than 503 with Retry-After
	BadAnswer     Rule = "wrong response"     // a valid request refused, or a response not understood
	Hang          Rule = "hang"               // no response within the deadline
	BadStop       Rule = "stop not orderly"   // SIGTERM: slow, not clean, or a request failed
	NotHealthy    Rule = "not healthy again"  // a dependency is reported down long after the fault
)

// Limits are the time limits of some rules.
type Limits struct {
	Settle  time.Duration // from the last fault's end to the end of every job: 60 s
	Late    time.Duration // a write without a response takes effect by then or never: 60 s
	Hang    time.Duration // the longest request: 20 s
	Stop    time.Duration // from SIGTERM to the exit: 20 s
	Healthy time.Duration // from the end of a fault until all replicas are healthy: 60 s
}

// DefaultLimits are those of the product's promises.
var DefaultLimits = Limits{
	Settle: time.Minute, Late: time.Minute, Hang: 20 * time.Second, Stop: 20 * time.Second, Healthy: time.Minute,
}

// Violation is one broken promise. Ops are the numbers of the operations that prove it;
// the first is the one that shows it.
type Violation struct {
	Rule    Rule
	Product string
	Detail  string
	At      time.Duration
	Ops     []int
}

// Report is the verdict on a history.
type Report struct {
	Violations []Violation
	// Orphans counts objects that belong to no image. Interrupted uploads and pending
	// deletions may leave them; the service removes them in its sweep.
	Orphans int
	// BackwardReads counts reads that returned an older version than an earlier read,
	// but not one older than an acknowledged write.
	BackwardReads int
}

// add records a violation that ops prove.
func (r *Report) add(rule Rule, product string, ops []*history.Op, format string, args ...any) {
	v := Violation{Rule: rule, Product: product, Detail: fmt.Sprintf(format, args...), At: ops[0].Start}
	for _, op := range ops {
		v.Ops = append(v.Ops, op.ID)
	}
	r.Violations = append(r.Violations, v)
}

// Check returns the verdict. The operations may be in any order.
func Check(ops []history.Op, limits Limits) Report {
	var r Report
	run := collect(ops)
	for _, id := range run.ids {
		p := run.products[id]
		p.checkValues(&r, limits)
		p.checkPresence(&r)
		p.checkPictures(&r, run, limits)
	}
	run.checkLists(&r)
	run.checkKeys(&r)
	run.checkAnswers(&r, limits)
	run.checkFaults(&r, limits)
	slices.SortStableFunc(r.Violations, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return r
}
