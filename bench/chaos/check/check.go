// Package check decides from the history of a run which promises were broken. It
// asks nobody: the same history gives the same verdict.
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
	StaleRead     Rule = "stale read"             // older than a write acknowledged before it began
	LostUpdate    Rule = "update lost"            // a version shows a value that it cannot have
	LateWrite     Rule = "late write"             // a write without an answer took effect long after
	LostProduct   Rule = "product lost"           // acknowledged, not deleted, and not there
	UndoneDelete  Rule = "delete undone"          // there again after an acknowledged delete
	Doubled       Rule = "effect doubled"         // one request, two effects
	RefusedEffect Rule = "refused yet done"       // a 4xx answer, and the effect all the same
	LostJob       Rule = "job lost"               // a picture that its product does not show
	StuckJob      Rule = "job stuck"              // neither ready nor failed long after the faults
	WrongOutcome  Rule = "wrong picture outcome"  // a good picture failed, or a bad one ready
	MissingObject Rule = "object missing"         // ready, but its objects cannot be had
	ServerError   Rule = "server error"           // 5xx other than 503 with Retry-After
	BadAnswer     Rule = "wrong answer"           // a refusal without reason, or a garbled answer
	Hang          Rule = "hang"                   // no end within the deadline
	BadStop       Rule = "stop not in good order" // SIGTERM: slow, not clean, or at a request's cost
	NotWell       Rule = "not well again"         // a dependency reported down long after the fault
)

// Limits are the bounds that some rules need.
type Limits struct {
	Settle time.Duration // from the last fault's end to the end of every job: 60 s
	Late   time.Duration // a write without an answer takes effect by then or never: 60 s
	Hang   time.Duration // the longest request: 20 s
	Stop   time.Duration // from SIGTERM to the exit: 20 s
	Well   time.Duration // from a fault's end until everything is reported up: 60 s
}

// DefaultLimits are those of the product's promises.
var DefaultLimits = Limits{
	Settle: time.Minute, Late: time.Minute, Hang: 20 * time.Second, Stop: 20 * time.Second, Well: time.Minute,
}

// Violation is one broken promise. Ops are the numbers of the operations that
// prove it, the one that shows it first.
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
	// Orphans counts objects that no row names. Stores that were interrupted and
	// deletions under way may leave such, and the service sweeps them.
	Orphans int
	// BackwardReads counts reads that showed less than an earlier read did,
	// without being older than an acknowledged write.
	BackwardReads int
}

// add notes a violation that ops prove.
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
