package check

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"vitrine/bench/chaos/history"
)

// write is a write to one field of one product.
type write struct {
	op      *history.Op
	value   string
	version int64 // zero if the outcome is unknown
}

// observation is an operation that returned the field.
type observation struct {
	op      *history.Op
	value   string
	version int64
}

// register is one field of one product: its acknowledged writes by version, its writes
// with an unknown outcome, and the values that clients saw.
//
// Versions are the order of the writes according to the service, and the response to a
// write has its version. So the value of a version is that of the last acknowledged
// write up to that version, or of a write without a response.
type register struct {
	product string
	acked   []write // by version
	unknown map[string]write
	seen    []observation
}

// checkValues compares the product's value, its pictures and its version with the
// writes.
func (p *subject) checkValues(r *Report, limits Limits) {
	if len(p.created) == 0 {
		return // other rules report a product that nobody created
	}
	value := func(s *history.State) string { return strconv.FormatInt(s.Value, 10) }
	p.register(value, func(op *history.Op) (string, bool) {
		return strconv.FormatInt(op.Value, 10), true
	}).check(r, limits)
	p.register(sourcesOf, func(op *history.Op) (string, bool) {
		urls := make([]string, len(op.Pictures))
		for i, picture := range op.Pictures {
			urls[i] = picture.URL
		}
		return strings.Join(urls, " "), op.Pictures != nil || op.Kind == history.Create
	}).check(r, limits)
	p.checkFreshness(r)
}

// sourcesOf returns the sources of the product's images as one string.
func sourcesOf(s *history.State) string {
	urls := make([]string, len(s.Images))
	for i, image := range s.Images {
		urls[i] = image.Source
	}
	return strings.Join(urls, " ")
}

// register collects one field. written returns the value that an operation wrote to the
// field, and whether it wrote it.
func (p *subject) register(shown func(*history.State) string, written func(*history.Op) (string, bool)) *register {
	g := &register{product: p.id, unknown: map[string]write{}}
	for _, op := range slices.Concat(p.created, p.writes) {
		value, wrote := written(op)
		switch {
		case !wrote:
		case op.Outcome == history.Acknowledged && op.State != nil:
			g.acked = append(g.acked, write{op, value, op.State.Version})
		case op.Outcome == history.Unknown:
			if old, ok := g.unknown[value]; !ok || op.Start < old.op.Start {
				g.unknown[value] = write{op: op, value: value}
			}
		}
	}
	slices.SortFunc(g.acked, func(a, b write) int { return cmp.Compare(a.version, b.version) })
	for _, s := range p.seen {
		if s.state != nil {
			g.seen = append(g.seen, observation{s.op, shown(s.state), s.state.Version})
		}
	}
	return g
}

// check reports values that no write explains.
func (g *register) check(r *Report, limits Limits) {
	for i := 1; i < len(g.acked); i++ {
		a, b := g.acked[i-1], g.acked[i]
		if a.version == b.version && a.op.Product == b.op.Product && a.value != b.value {
			r.add(LostUpdate, g.product, []*history.Op{b.op, a.op}, "two acknowledged writes have version %d", a.version)
		}
	}
	first := map[string]observation{} // by the value of a write without a response: the lowest version with it
	for _, o := range g.seen {
		last := sort.Search(len(g.acked), func(i int) bool { return g.acked[i].version > o.version }) - 1
		if last >= 0 && g.acked[last].value == o.value {
			continue
		}
		if w, ok := g.unknown[o.value]; ok && w.op.Start < o.op.End {
			if old, ok := first[o.value]; !ok || o.version < old.version {
				first[o.value] = o
			}
			continue
		}
		proof, want := []*history.Op{o.op}, "nothing"
		if last >= 0 {
			proof, want = append(proof, g.acked[last].op), g.acked[last].value
		}
		r.add(LostUpdate, g.product, proof, "version %d has %q, want %q", o.version, o.value, want)
	}
	g.checkLate(r, limits, first)
}

// checkLate looks for writes without a response that took effect too late: a read that
// began after the limit returned an older version than that of the write.
func (g *register) checkLate(r *Report, limits Limits, first map[string]observation) {
	for value, effect := range first {
		w := g.unknown[value]
		late := func(op *history.Op, version int64) bool {
			return op.Start > w.op.End+limits.Late && version < effect.version
		}
		for _, o := range g.seen {
			if late(o.op, o.version) {
				r.add(LateWrite, g.product, []*history.Op{effect.op, w.op, o.op},
					"a write without a response took effect more than %s after its end", limits.Late)
				break
			}
		}
	}
}

// checkFreshness compares every version that a client saw with the versions of the
// writes that were acknowledged before.
func (p *subject) checkFreshness(r *Report) {
	acks := newWatermarks(p, func(s sighting) bool { return s.op.Kind == history.Update })
	reads := newWatermarks(p, func(s sighting) bool { return s.op.Kind == history.Read })
	for _, s := range p.seen {
		if s.state == nil {
			continue
		}
		if high, op := acks.before(s.op.Start); high > s.state.Version {
			r.add(StaleRead, p.id, []*history.Op{s.op, op}, "version %d, %s after the end of the write that made version %d",
				s.state.Version, (s.op.Start - op.End).Round(10*time.Microsecond), high)
		} else if high, _ := reads.before(s.op.Start); high > s.state.Version {
			r.BackwardReads++
		}
	}
}

// watermarks is the highest known version over time, sorted by time.
type watermarks []watermark

type watermark struct {
	end     time.Duration
	version int64
	op      *history.Op
}

// newWatermarks collects the versions of the product's creation and of the sightings
// that count.
func newWatermarks(p *subject, counts func(sighting) bool) watermarks {
	var m watermarks
	for _, op := range p.created {
		if op.State != nil {
			m = append(m, watermark{op.End, op.State.Version, op})
		}
	}
	for _, s := range p.seen {
		if s.state != nil && counts(s) {
			m = append(m, watermark{s.op.End, s.state.Version, s.op})
		}
	}
	slices.SortFunc(m, func(a, b watermark) int { return cmp.Compare(a.end, b.end) })
	for i := 1; i < len(m); i++ {
		if m[i].version < m[i-1].version {
			m[i].version, m[i].op = m[i-1].version, m[i-1].op
		}
	}
	return m
}

// before returns the highest version of the operations that ended before t, and the
// operation that returned it.
func (m watermarks) before(t time.Duration) (int64, *history.Op) {
	i := sort.Search(len(m), func(i int) bool { return m[i].end >= t }) - 1
	if i < 0 {
		return 0, nil
	}
	return m[i].version, m[i].op
}
