package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"text/tabwriter"
	"time"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/history"
)

// summary holds the numbers of the tables.
type summary struct {
	rows                                     []row
	acknowledged, pictures, faults, requests int
	unavailable, proxyErrors, unanswered     int
	took                                     time.Duration
}

// row is one kind of fault.
type row struct {
	name                     string
	times, checked           int
	violations               int
	recovery                 time.Duration // longest, from its end until everything was healthy
	withoutRead, withoutDone time.Duration // longest time without an acknowledged read, write
}

func (c *chaos) summarize(ops []history.Op, verdict check.Report) summary {
	s := summary{
		acknowledged: int(c.load.Acknowledged()), pictures: int(c.load.Pictures()), faults: len(c.results), took: c.log.Now(),
	}
	var reads, writes []time.Duration
	for i := range ops {
		op := &ops[i]
		if op.Kind == history.Inject || op.Final || !isRequest(op.Kind) {
			continue
		}
		s.requests++
		switch {
		case op.Outcome == history.Acknowledged && (op.Kind == history.Read || op.Kind == history.List):
			reads = append(reads, op.End)
		case op.Outcome == history.Acknowledged:
			writes = append(writes, op.End)
		case op.Status == 0:
			s.unanswered++
		case op.Status >= 500 && op.Replica == "":
			s.proxyErrors++
		case op.Status >= 500:
			s.unavailable++
		}
	}
	slices.Sort(reads)
	slices.Sort(writes)
	rows := map[string]*row{}
	for i, result := range c.results {
		r, ok := rows[result.Name]
		if !ok {
			r = &row{name: result.Name}
			rows[result.Name] = r
		}
		next := c.log.Now()
		if i+1 < len(c.results) {
			next = c.results[i+1].Injected
		}
		r.times++
		r.checked += between(ops, result.Injected, next)
		r.recovery = max(r.recovery, result.At-result.Healed)
		r.withoutRead = max(r.withoutRead, longestGap(reads, result.Injected, result.At))
		r.withoutDone = max(r.withoutDone, longestGap(writes, result.Injected, result.At))
		for _, v := range verdict.Violations {
			if v.At >= result.Injected && v.At < next {
				r.violations++
			}
		}
	}
	for _, r := range rows {
		s.rows = append(s.rows, *r)
	}
	sort.Slice(s.rows, func(i, j int) bool { return s.rows[i].name < s.rows[j].name })
	return s
}

// isRequest reports whether clients sent the operation to the service.
func isRequest(kind history.Kind) bool {
	switch kind {
	case history.Create, history.Update, history.Read, history.Delete, history.List:
		return true
	}
	return false
}

// between returns the number of requests that overlap the time.
func between(ops []history.Op, from, to time.Duration) int {
	n := 0
	for i := range ops {
		if ops[i].End >= from && ops[i].Start < to && isRequest(ops[i].Kind) {
			n++
		}
	}
	return n
}

// longestGap returns the longest part of the time without any of the sorted ends.
func longestGap(ends []time.Duration, from, to time.Duration) time.Duration {
	longest, last := time.Duration(0), from
	for i, _ := slices.BinarySearch(ends, from); i < len(ends) && ends[i] < to; i++ {
		longest, last = max(longest, ends[i]-last), ends[i]
	}
	return max(longest, to-last)
}

// show prints the tables, and the first few violations of each rule with the
// operations that prove them.
func show(out io.Writer, s summary, verdict check.Report, ops []history.Op) {
	printViolations(out, verdict, ops)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nFAULT\tTIMES\tOPERATIONS CHECKED\tVIOLATIONS\tLONGEST WITHOUT A READ\tWITHOUT A WRITE\tHEALTHY AFTER")
	for _, r := range s.rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f s\t%.1f s\t%.1f s\n", r.name, r.times, r.checked, r.violations,
			r.withoutRead.Seconds(), r.withoutDone.Seconds(), r.recovery.Seconds())
	}
	_ = w.Flush() // it fails only if the terminal does
	byRule := map[check.Rule]int{}
	for _, v := range verdict.Violations {
		byRule[v.Rule]++
	}
	fmt.Fprintf(out, "\n%d faults, %d requests, %d acknowledged operations, %d pictures in %s\n",
		s.faults, s.requests, s.acknowledged, s.pictures, s.took.Round(time.Second))
	fmt.Fprintf(out, "503 of the service %d, errors of the load balancer %d, no response %d\n", s.unavailable, s.proxyErrors, s.unanswered)
	fmt.Fprintf(out, "stale reads %d, reads behind an earlier read %d, objects without a row %d\n",
		byRule[check.StaleRead], verdict.BackwardReads, verdict.Orphans)
	fmt.Fprintf(out, "violations %d\n", len(verdict.Violations))
	for rule, n := range byRule {
		fmt.Fprintf(out, "  %s: %d\n", rule, n)
	}
}

// shown is the number of violations printed per rule.
const shown = 8

// printViolations prints the first violations of each rule with their operations.
func printViolations(out io.Writer, verdict check.Report, ops []history.Op) {
	byID := make(map[int]*history.Op, len(ops))
	for i := range ops {
		byID[ops[i].ID] = &ops[i]
	}
	printed := map[check.Rule]int{}
	for _, v := range verdict.Violations {
		if printed[v.Rule]++; printed[v.Rule] > shown {
			continue
		}
		fmt.Fprintf(out, "\nVIOLATION at %.3fs: %s: product %s: %s\n", v.At.Seconds(), v.Rule, v.Product, v.Detail)
		for _, id := range v.Ops {
			line, err := json.Marshal(brief(*byID[id]))
			if err != nil {
				line = []byte(err.Error())
			}
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
}

// brief shortens an operation for the terminal. The history file has all of it.
func brief(op history.Op) history.Op {
	if len(op.Items) > 3 {
		op.Items = op.Items[:3]
	}
	if op.State != nil {
		state := *op.State
		state.Images = slices.Clone(state.Images)
		for i := range state.Images {
			state.Images[i].URLs = nil
		}
		op.State = &state
	}
	return op
}
