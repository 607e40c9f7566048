package check_test

import (
	"testing"
	"time"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/history"
)

func TestPictures(t *testing.T) {
	t.Parallel()
	good, bad := history.Picture{URL: "good", Ready: true}, history.Picture{URL: "bad"}
	image := func(source, status string, urls ...string) history.Image {
		return history.Image{Source: source, Status: status, URLs: urls}
	}
	heal := history.Op{Kind: history.Heal, Fault: "f"}
	object := func(status int, outcome history.Outcome) history.Op {
		return history.Op{Kind: history.Object, Product: lamp, URL: "http://s3/k", Status: status, Outcome: outcome}
	}
	stored := func(keys ...string) history.Op {
		return history.Op{Kind: history.Stored, Product: lamp, Keys: keys, Outcome: history.Acknowledged}
	}
	start := func(pictures ...history.Picture) *story {
		return new(story).did(created(lamp, 10, pictures...)).did(heal)
	}
	sweep := func(s *story, images ...history.Image) *story { return s.did(final(read(lamp, 2, 10, images...))) }
	uncounted := final(read(lamp, 2, 10, image("good", "ready", "http://s3/k")))
	uncounted.State.Compressed = 0
	cases(t, map[string]storyCase{
		"as expected":             {sweep(start(good, bad), image("good", "ready", "http://s3/k"), image("bad", "failed")), nil},
		"a valid one failed":      {sweep(start(good), image("good", "failed")), []check.Rule{check.WrongOutcome}},
		"an invalid one is ready": {sweep(start(bad), image("bad", "ready", "http://s3/k")), []check.Rule{check.WrongOutcome}},
		"in progress soon after the fault": {sweep(start(good).later(50*time.Second),
			image("good", "processing")), nil},
		"in progress a minute after the fault": {sweep(start(good).later(61*time.Second),
			image("good", "processing")), []check.Rule{check.StuckJob}},
		"pending forever": {sweep(start(good).later(61*time.Second),
			image("good", "pending")), []check.Rule{check.StuckJob}},
		"ready without a variant":            {sweep(start(good), image("good", "ready")), []check.Rule{check.MissingObject}},
		"ready but not listed as compressed": {start(good).did(uncounted), []check.Rule{check.LostJob}},
		"its object exists": {sweep(start(good), image("good", "ready", "http://s3/k")).
			did(object(200, history.Acknowledged)), nil},
		"its object is missing": {sweep(start(good), image("good", "ready", "http://s3/k")).
			did(object(404, history.Unknown)), []check.Rule{check.MissingObject}},
		"its object was deleted with the product": {sweep(start(good), image("good", "ready", "http://s3/k")).did(deleted(lamp)).
			did(object(404, history.Unknown)), nil},
		"only its objects are stored": {sweep(start(good), image("good", "ready", "http://s3/k")).did(stored("k")), nil},
		"a second set of objects is stored": {sweep(start(good), image("good", "ready", "http://s3/k")).
			did(stored("k", "other")), []check.Rule{check.Doubled}},
	})
}

func TestOrphansAreCounted(t *testing.T) {
	t.Parallel()
	stored := history.Op{Kind: history.Stored, Product: lamp, Keys: []string{"a", "b"}, Outcome: history.Acknowledged}
	s := new(story).did(created(lamp, 10)).did(deleted(lamp)).did(stored)
	if got := wantRules(t, s).Orphans; got != 2 {
		t.Errorf("%d orphans, want 2", got)
	}
}
