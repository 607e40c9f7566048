package check

import (
	"math"
	"time"

	"vitrine/bench/chaos/history"
)

// checkPresence compares the operations that found the product, and those that did not,
// with its creation and its deletes. Ids are never reused: the product exists from the
// end of its creation until a delete begins, and never again.
func (p *subject) checkPresence(r *Report) {
	for _, op := range p.absent {
		if creation := p.createdBefore(op.Start); creation != nil && p.deletedBefore(op.End) == nil {
			r.add(LostProduct, p.id, []*history.Op{op, creation}, "404 for a product that was not deleted")
			break // one violation is enough
		}
	}
	gone := p.goneSince()
	if gone != nil {
		for _, s := range p.seen {
			if s.op.Start > gone.End {
				r.add(UndoneDelete, p.id, []*history.Op{s.op, gone}, "found %s after it was deleted", (s.op.Start - gone.End).Round(time.Microsecond))
				break
			}
		}
	}
	var done *history.Op
	for _, op := range p.deletes {
		if op.Outcome != history.Acknowledged {
			continue
		}
		if done != nil {
			r.add(Doubled, p.id, []*history.Op{op, done}, "two deletes of it were acknowledged")
			break
		}
		done = op
	}
}

// createdBefore returns an acknowledged creation that ended before t, or nil.
func (p *subject) createdBefore(t time.Duration) *history.Op {
	for _, op := range p.created {
		if op.Outcome == history.Acknowledged && op.End < t {
			return op
		}
	}
	return nil
}

// deletedBefore returns a delete that began before t and may have taken effect, or nil.
func (p *subject) deletedBefore(t time.Duration) *history.Op {
	for _, op := range p.deletes {
		if op.Outcome != history.Refused && op.Start < t {
			return op
		}
	}
	return nil
}

// goneSince returns the first operation at whose end the product was deleted: an
// acknowledged delete, or a 404 that a delete explains.
func (p *subject) goneSince() *history.Op {
	var first *history.Op
	for _, op := range p.deletes {
		if op.Outcome == history.Acknowledged && (first == nil || op.End < first.End) {
			first = op
		}
	}
	for _, op := range p.absent {
		if p.deletedBefore(op.End) != nil && p.createdBefore(op.Start) != nil && (first == nil || op.End < first.End) {
			first = op
		}
	}
	return first
}

// checkLists looks for products that are missing from a list. A list has every product
// that was certainly created after the last one in it. The list of a sweep has all.
func (r *run) checkLists(report *Report) {
	for i := range r.ops {
		op := &r.ops[i]
		if op.Kind != history.List || op.Outcome != history.Acknowledged {
			continue
		}
		there := make(map[string]bool, len(op.Items))
		oldest := ""
		for _, item := range op.Items {
			there[item.Product] = true
			oldest = item.Product
		}
		since, known := time.Duration(-1), op.Final
		if oldest != "" && !op.Final {
			since, known = r.createdUntil(r.products[oldest])
		}
		if !known {
			continue
		}
		for _, id := range r.ids {
			p := r.products[id]
			if there[id] || r.createdFrom(p) <= since {
				continue
			}
			if creation := p.createdBefore(op.Start); creation != nil && p.deletedBefore(op.End) == nil {
				report.add(LostProduct, id, []*history.Op{op, creation}, "missing from a list")
			}
		}
	}
}

// createdFrom returns the earliest time at which the product can have been created: the
// start of the first request for it.
func (r *run) createdFrom(p *subject) time.Duration {
	from := time.Duration(math.MaxInt64)
	for _, key := range p.keys() {
		for _, op := range r.creates[key] {
			from = min(from, op.Start)
		}
	}
	return from
}

// createdUntil returns the latest such time. It is not known if a request had no
// response.
func (r *run) createdUntil(p *subject) (until time.Duration, known bool) {
	for _, key := range p.keys() {
		for _, op := range r.creates[key] {
			if op.Outcome == history.Unknown {
				return 0, false
			}
			until, known = max(until, op.End), true
		}
	}
	return until, known
}

// checkKeys looks for creates that made two products or were refused but made one.
func (r *run) checkKeys(report *Report) {
	of := map[string]*subject{}
	for _, id := range r.ids {
		p := r.products[id]
		for _, key := range p.keys() {
			other, ok := of[key]
			if ok && other != p {
				report.add(Doubled, id, append(proofs(p, key), proofs(other, key)...), "the same create also made %s", other.id)
			}
			of[key] = p
			r.checkRefused(report, p, key)
		}
	}
}

// keys returns the keys of the creates that made the product. It should be one key.
func (p *subject) keys() []string {
	var keys []string
	for _, op := range p.created {
		keys = append(keys, op.Key)
	}
	if p.key != "" {
		keys = append(keys, p.key)
	}
	return keys
}

// proofs returns an operation that connects the product with the key.
func proofs(p *subject, key string) []*history.Op {
	for _, op := range p.created {
		if op.Key == key {
			return []*history.Op{op}
		}
	}
	for _, s := range p.seen {
		if s.op.Kind == history.List {
			return []*history.Op{s.op}
		}
	}
	return nil
}

// checkRefused reports a product whose creation was refused at every attempt.
func (r *run) checkRefused(report *Report, p *subject, key string) {
	attempts := r.creates[key]
	for _, op := range attempts {
		if op.Outcome != history.Refused {
			return
		}
	}
	if len(attempts) > 0 {
		report.add(RefusedEffect, p.id, attempts[:1], "the create was refused with status %d", attempts[0].Status)
	}
}
