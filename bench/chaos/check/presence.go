package check

import (
	"math"
	"time"

	"vitrine/bench/chaos/history"
)

// checkPresence holds who saw the product, and who did not, against its creation
// and its deletes. Ids are never used again, so that a product is there from the
// end of its creation until a delete begins, and gone for good after that.
func (p *subject) checkPresence(r *Report) {
	for _, op := range p.absent {
		if creation := p.createdBefore(op.Start); creation != nil && p.deletedBefore(op.End) == nil {
			r.add(LostProduct, p.id, []*history.Op{op, creation}, "404 for a product that nobody had deleted")
			break // the others say the same
		}
	}
	gone := p.goneSince()
	if gone != nil {
		for _, s := range p.seen {
			if s.op.Start > gone.End {
				r.add(UndoneDelete, p.id, []*history.Op{s.op, gone}, "shown %s after it was gone", (s.op.Start - gone.End).Round(time.Microsecond))
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

// createdBefore returns an acknowledged creation that had ended before t.
func (p *subject) createdBefore(t time.Duration) *history.Op {
	for _, op := range p.created {
		if op.Outcome == history.Acknowledged && op.End < t {
			return op
		}
	}
	return nil
}

// deletedBefore returns a delete that had begun before t and may have taken effect.
func (p *subject) deletedBefore(t time.Duration) *history.Op {
	for _, op := range p.deletes {
		if op.Outcome != history.Refused && op.Start < t {
			return op
		}
	}
	return nil
}

// goneSince returns the operation by whose end the product was gone first: an
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

// checkLists looks for products that a list should have and has not. A list shows
// the newest products without a gap, down to its last, by the database's clock: those
// surely created after its last. The sweep's shows all.
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
				report.add(LostProduct, id, []*history.Op{op, creation}, "missing in a list")
			}
		}
	}
}

// createdFrom is the earliest moment at which the product can have been created: the
// beginning of the first request for it.
func (r *run) createdFrom(p *subject) time.Duration {
	from := time.Duration(math.MaxInt64)
	for _, key := range p.keys() {
		for _, op := range r.creates[key] {
			from = min(from, op.Start)
		}
	}
	return from
}

// createdUntil is the latest one; it is not known where a request had no answer.
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

// checkKeys looks for requests with more or other effects than they should have.
func (r *run) checkKeys(report *Report) {
	of := map[string]*subject{}
	for _, id := range r.ids {
		p := r.products[id]
		for _, key := range p.keys() {
			other, ok := of[key]
			if ok && other != p {
				report.add(Doubled, id, append(proofs(p, key), proofs(other, key)...), "one create made %s too", other.id)
			}
			of[key] = p
			r.checkRefused(report, p, key)
		}
	}
}

// keys are the creates that the product comes from: one, if all is well.
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

// proofs are the operations that tie the product to the key.
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

// checkRefused looks for a product although every try to create it was refused.
func (r *run) checkRefused(report *Report, p *subject, key string) {
	tries := r.creates[key]
	for _, op := range tries {
		if op.Outcome != history.Refused {
			return
		}
	}
	if len(tries) > 0 {
		report.add(RefusedEffect, p.id, tries[:1], "the create was refused with status %d", tries[0].Status)
	}
}
