package check

import (
	"slices"
	"sort"
	"strings"
	"time"

	"vitrine/bench/chaos/history"
)

// checkPictures checks the product's images and their objects, as the sweeps found them.
func (p *subject) checkPictures(r *Report, run *run, limits Limits) {
	for _, op := range p.finals {
		if stuck := p.checkStates(r, run, op, limits); stuck {
			break // later sweeps would report the same
		}
	}
	for _, op := range p.objects {
		if op.Outcome != history.Acknowledged && p.deletedBefore(op.End) == nil {
			r.add(MissingObject, p.id, []*history.Op{op}, "%s: status %d %s", op.URL, op.Status, op.Error)
		}
	}
	for _, op := range p.stored {
		p.checkStored(r, op)
	}
}

// checkStates checks the product in one response of a sweep. It reports whether it
// found a violation.
func (p *subject) checkStates(r *Report, run *run, op *history.Op, limits Limits) bool {
	before, ready := len(r.Violations), 0
	for _, image := range op.State.Images {
		ended := image.Status == "ready" || image.Status == "failed"
		if image.Status == "ready" {
			ready++
		}
		want, known := run.wants[image.Source]
		switch {
		case !ended && op.Start-run.lastHeal(op.Start) >= limits.Settle:
			r.add(StuckJob, p.id, []*history.Op{op}, "%s is %s", image.Source, image.Status)
		case ended && known && want != (image.Status == "ready"):
			r.add(WrongOutcome, p.id, []*history.Op{op}, "%s is %s %s", image.Source, image.Status, image.Code)
		case image.Status == "ready" && len(image.URLs) == 0:
			r.add(MissingObject, p.id, []*history.Op{op}, "%s is ready and has no variant", image.Source)
		}
	}
	if op.State.Compressed != ready {
		r.add(LostJob, p.id, []*history.Op{op}, "%d images are ready, but %d are listed as compressed", ready, op.State.Compressed)
	}
	return len(r.Violations) > before
}

// lastHeal returns the end of the last fault before t, or zero.
func (r *run) lastHeal(t time.Duration) time.Duration {
	i := sort.Search(len(r.heals), func(i int) bool { return r.heals[i] >= t }) - 1
	if i < 0 {
		return 0
	}
	return r.heals[i]
}

// checkStored compares the keys in the object store with the variants of the product.
// If its images were never changed, every further object is a violation. Otherwise a
// pending deletion or an interrupted replacement may have left it.
func (p *subject) checkStored(r *Report, op *history.Op) {
	var last *history.Op
	for _, final := range p.finals {
		if final.Start <= op.Start && (last == nil || final.Start > last.Start) {
			last = final
		}
	}
	named := 0
	if last != nil {
		for _, key := range op.Keys {
			if names(last.State, key) {
				named++
			}
		}
	}
	extra := len(op.Keys) - named
	if extra == 0 {
		return
	}
	changed := slices.ContainsFunc(p.writes, func(w *history.Op) bool { return w.Pictures != nil && w.Outcome != history.Refused })
	if last == nil || changed || p.deletedBefore(op.End) != nil {
		r.Orphans += extra
		return
	}
	r.add(Doubled, p.id, []*history.Op{op, last}, "%d objects belong to no image: %s", extra, strings.Join(op.Keys, " "))
}

// names reports whether a URL of the product ends with the key.
func names(state *history.State, key string) bool {
	return slices.ContainsFunc(state.Images, func(image history.Image) bool {
		return slices.ContainsFunc(image.URLs, func(url string) bool { return strings.HasSuffix(url, "/"+key) })
	})
}
