package check

import (
	"net/http"
	"strings"
	"time"

	"vitrine/bench/chaos/history"
)

// checkAnswers checks each response by itself.
func (r *run) checkAnswers(report *Report, limits Limits) {
	for i := range r.ops {
		op := &r.ops[i]
		switch op.Kind {
		case history.Create, history.Update, history.Read, history.Delete, history.List:
		default:
			continue
		}
		proof := []*history.Op{op}
		if took := op.End - op.Start; took > limits.Hang && !op.Final {
			report.add(Hang, op.Product, proof, "%s after %s", op.Kind, took.Round(time.Millisecond))
		}
		switch {
		case op.Garbled:
			report.add(BadAnswer, op.Product, proof, "status %d: %s", op.Status, op.Error)
		case op.Replica == "": // no response, or one of the load balancer
		case op.Status == http.StatusServiceUnavailable && !op.RetryAfter:
			report.add(ServerError, op.Product, proof, "503 without Retry-After")
		case op.Status >= 500 && op.Status != http.StatusServiceUnavailable:
			report.add(ServerError, op.Product, proof, "status %d %s", op.Status, op.Code)
		case op.Outcome == history.Refused && !excused(op):
			report.add(BadAnswer, op.Product, proof, "status %d %s for a valid request", op.Status, op.Code)
		}
	}
}

// excused reports whether a valid request may be refused like this: the product may be
// deleted, and the first attempt to create it may still be in progress.
func excused(op *history.Op) bool {
	switch op.Status {
	case http.StatusNotFound:
		return op.Product != ""
	case http.StatusConflict:
		return op.Kind == history.Create
	}
	return false
}

// checkFaults checks that the replicas became healthy after each fault, and each stop.
func (r *run) checkFaults(report *Report, limits Limits) {
	var injected, healed *history.Op
	calm := time.Duration(0) // when all replicas were healthy last
	for i := range r.ops {
		op := &r.ops[i]
		switch op.Kind {
		case history.Inject:
			injected, healed = op, nil
		case history.Heal:
			healed = op
		case history.Healthy:
			calm = op.End
			switch {
			case healed == nil:
			case op.Error != "":
				report.add(NotHealthy, "", []*history.Op{op, healed}, "after %s: %s", op.Fault, op.Error)
			case op.End-healed.End > limits.Healthy:
				report.add(NotHealthy, "", []*history.Op{op, healed}, "%s after %s", op.End-healed.End, op.Fault)
			}
		case history.Stop:
			r.checkStop(report, injected, op, calm, limits)
		}
	}
}

// checkStop checks an orderly stop: its duration, its result, and that no request in
// progress during it failed. Requests that began in an earlier fault do not count.
func (r *run) checkStop(report *Report, injected, stop *history.Op, calm time.Duration, limits Limits) {
	switch took := stop.End - stop.Start; {
	case stop.Error != "":
		report.add(BadStop, "", []*history.Op{stop}, "%s: %s", stop.Replica, stop.Error)
	case took > limits.Stop:
		report.add(BadStop, "", []*history.Op{stop}, "%s took %s", stop.Replica, took.Round(time.Millisecond))
	}
	if injected == nil || !strings.HasSuffix(injected.Fault, history.OrderlySuffix) {
		return
	}
	for i := range r.ops {
		op := &r.ops[i]
		if op.End > stop.Start && op.Start > calm && op.Start < stop.End && op.Outcome == history.Unknown {
			report.add(BadStop, op.Product, []*history.Op{op, stop}, "a request failed while a replica stopped: status %d %s", op.Status, op.Error)
		}
	}
}
