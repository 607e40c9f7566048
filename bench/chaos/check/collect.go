package check

import (
	"slices"
	"time"

	"vitrine/bench/chaos/history"
)

// run is a history, grouped by product.
type run struct {
	ops      []history.Op
	products map[string]*subject
	ids      []string                 // of products, sorted
	creates  map[string][]*history.Op // by key
	wants    map[string]bool          // by source: whether its image has to become ready
	heals    []time.Duration          // ends of faults
}

// subject holds the operations on one product.
type subject struct {
	id, key string
	created []*history.Op // acknowledged, or without a response but found later
	writes  []*history.Op // updates with any outcome
	deletes []*history.Op
	seen    []sighting
	absent  []*history.Op
	finals  []*history.Op // reads of sweeps that found it
	objects []*history.Op
	stored  []*history.Op
}

// sighting is an operation that returned the product.
type sighting struct {
	op    *history.Op
	state *history.State
}

// collect groups the operations.
func collect(ops []history.Op) *run {
	r := &run{ops: ops, products: map[string]*subject{}, creates: map[string][]*history.Op{}, wants: map[string]bool{}}
	for i := range ops {
		op := &ops[i]
		for _, picture := range op.Pictures {
			r.wants[picture.URL] = picture.Ready
		}
		switch op.Kind {
		case history.Create:
			r.creates[op.Key] = append(r.creates[op.Key], op)
			if op.Product != "" {
				p := r.product(op.Product)
				p.created = append(p.created, op)
			}
		case history.List:
			for _, item := range op.Items {
				p := r.product(item.Product)
				p.key = item.Key
				p.seen = append(p.seen, sighting{op, item.State})
			}
		case history.Heal:
			r.heals = append(r.heals, op.End)
		case history.Update, history.Read, history.Delete, history.Object, history.Stored:
			r.product(op.Product).take(op)
		}
	}
	slices.Sort(r.heals)
	slices.Sort(r.ids)
	r.findCreates()
	return r
}

// findCreates assigns creates without a response to the products that lists have shown
// for their keys.
func (r *run) findCreates() {
	for _, p := range r.products {
		for _, op := range r.creates[p.key] {
			if op.Outcome == history.Unknown {
				p.created = append(p.created, op)
			}
		}
	}
}

// product returns the subject with the id.
func (r *run) product(id string) *subject {
	p, ok := r.products[id]
	if !ok {
		p = &subject{id: id}
		r.products[id] = p
		r.ids = append(r.ids, id)
	}
	return p
}

// take adds an operation on the product.
func (p *subject) take(op *history.Op) {
	const notFound = 404
	switch op.Kind {
	case history.Update:
		p.writes = append(p.writes, op)
	case history.Delete:
		p.deletes = append(p.deletes, op)
	case history.Object:
		p.objects = append(p.objects, op)
		return
	case history.Stored:
		p.stored = append(p.stored, op)
		return
	}
	switch {
	case op.Outcome == history.Refused && op.Status == notFound:
		p.absent = append(p.absent, op)
	case op.Outcome == history.Acknowledged && op.State != nil:
		p.seen = append(p.seen, sighting{op, op.State})
		if op.Final {
			p.finals = append(p.finals, op)
		}
	}
}
