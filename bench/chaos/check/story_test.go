package check_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/history"
)

// story builds a history of operations that follow one another.
type story struct {
	ops []history.Op
	now time.Duration
}

// did appends an operation that lasts a second and begins a second after the last.
func (s *story) did(op history.Op) *story {
	s.now += time.Second
	op.Start = s.now
	s.now += time.Second
	op.End = s.now
	return s.add(op)
}

// during appends an operation with the given times.
func (s *story) during(from, to time.Duration, op history.Op) *story {
	op.Start, op.End = from, to
	return s.add(op)
}

func (s *story) add(op history.Op) *story {
	op.ID = len(s.ops) + 1
	s.ops = append(s.ops, op)
	return s
}

func (s *story) later(d time.Duration) *story {
	s.now += d
	return s
}

// The ids of the products.
const (
	lamp  = "01-lamp"
	chair = "02-chair"
	desk  = "03-desk"
)

func state(version, value int64, images ...history.Image) *history.State {
	s := &history.State{Version: version, Value: value, Images: images}
	for _, image := range images {
		if image.Status == "ready" {
			s.Compressed++
		}
	}
	return s
}

func created(product string, value int64, pictures ...history.Picture) history.Op {
	images := []history.Image{}
	for _, picture := range pictures {
		images = append(images, history.Image{Source: picture.URL, Status: "pending"})
	}
	return history.Op{
		Kind: history.Create, Key: "key of " + product, Product: product, Value: value, Pictures: pictures,
		State: state(1, value, images...), Outcome: history.Acknowledged, Status: 201, Replica: "r",
	}
}

func updated(product string, version, value int64) history.Op {
	return history.Op{
		Kind: history.Update, Product: product, Value: value, State: state(version, value),
		Outcome: history.Acknowledged, Status: 200, Replica: "r",
	}
}

func read(product string, version, value int64, images ...history.Image) history.Op {
	return history.Op{
		Kind: history.Read, Product: product, State: state(version, value, images...),
		Outcome: history.Acknowledged, Status: 200, Replica: "r",
	}
}

func deleted(product string) history.Op {
	return history.Op{Kind: history.Delete, Product: product, Outcome: history.Acknowledged, Status: 200, Replica: "r"}
}

func listed(items ...history.Item) history.Op {
	return history.Op{Kind: history.List, Items: items, Outcome: history.Acknowledged, Status: 200, Replica: "r"}
}

func item(product string, version, value int64) history.Item {
	return history.Item{Product: product, Key: "key of " + product, State: state(version, value)}
}

func notFound(kind history.Kind, product string) history.Op {
	return history.Op{Kind: kind, Product: product, Outcome: history.Refused, Status: 404, Replica: "r", Code: "not_found"}
}

// unanswered returns the operation without a response.
func unanswered(op history.Op) history.Op {
	op.State, op.Outcome, op.Status, op.Replica, op.Error = nil, history.Unknown, 0, "", "EOF"
	if op.Kind == history.Create {
		op.Product = ""
	}
	return op
}

func final(op history.Op) history.Op {
	op.Final = true
	return op
}

// wantRules checks which rules the history breaks, in the order of the violations.
// Consecutive violations of one rule count once.
func wantRules(t *testing.T, s *story, want ...check.Rule) check.Report {
	t.Helper()
	report := check.Check(s.ops, check.DefaultLimits)
	got := []check.Rule{}
	for _, v := range report.Violations {
		got = append(got, v.Rule)
		if len(v.Ops) == 0 || v.Detail == "" {
			t.Errorf("%s has no operations or no detail: %+v", v.Rule, v)
		}
	}
	if diff := cmp.Diff(append([]check.Rule{}, want...), slices.Compact(got)); diff != "" {
		t.Errorf("violations (-want +got):\n%s%+v", diff, report.Violations)
	}
	return report
}

// cases checks named histories, each with the rules that it breaks.
func cases(t *testing.T, all map[string]struct {
	story *story
	rules []check.Rule
}) {
	t.Helper()
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRules(t, c.story, c.rules...)
		})
	}
}
