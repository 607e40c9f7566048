package check_test

import (
	"testing"
	"time"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/history"
)

type storyCase = struct {
	story *story
	rules []check.Rule
}

func TestReadsAndWrites(t *testing.T) {
	t.Parallel()
	cases(t, map[string]storyCase{
		"reads of the latest": {new(story).did(created(lamp, 10)).did(read(lamp, 1, 10)).
			did(updated(lamp, 2, 11)).did(read(lamp, 2, 11)), nil},
		"two products at once": {new(story).did(created(lamp, 10)).did(created(chair, 20)).did(updated(chair, 2, 21)).
			did(listed(item(chair, 2, 21), item(lamp, 1, 10))).did(read(chair, 2, 21)).did(deleted(chair)).
			did(notFound(history.Read, chair)).did(read(lamp, 1, 10)), nil},
		"versions of a worker in between": {new(story).did(created(lamp, 10)).did(read(lamp, 3, 10)).
			did(updated(lamp, 4, 11)).did(read(lamp, 6, 11)), nil},
		"a read older than an acknowledged write": {new(story).did(created(lamp, 10)).did(updated(lamp, 2, 11)).
			did(read(lamp, 1, 10)), []check.Rule{check.StaleRead}},
		"a read older than the creation": {new(story).did(created(lamp, 10)).
			did(read(lamp, 0, 10)), []check.Rule{check.LostUpdate, check.StaleRead}},
		"a list older than an acknowledged write": {new(story).did(created(lamp, 10)).did(updated(lamp, 2, 11)).
			did(listed(item(lamp, 1, 10))), []check.Rule{check.StaleRead}},
		"an update of an older version": {new(story).did(created(lamp, 10)).did(updated(lamp, 3, 11)).
			did(updated(lamp, 2, 12)), []check.Rule{check.StaleRead}},
		"a read that began before the acknowledgement": {new(story).did(created(lamp, 10)).
			during(3*time.Second, 5*time.Second, updated(lamp, 2, 11)).
			during(4*time.Second, 9*time.Second, read(lamp, 1, 10)), nil},
		"a read during the write may see it": {new(story).did(created(lamp, 10)).
			during(3*time.Second, 9*time.Second, updated(lamp, 2, 11)).
			during(4*time.Second, 5*time.Second, read(lamp, 2, 11)), nil},
		"an acknowledged value was lost": {new(story).did(created(lamp, 10)).did(updated(lamp, 2, 11)).
			did(read(lamp, 3, 10)), []check.Rule{check.LostUpdate}},
		"a value that nobody wrote": {new(story).did(created(lamp, 10)).
			did(read(lamp, 2, 99)), []check.Rule{check.LostUpdate}},
		"two acknowledged writes with one version": {new(story).did(created(lamp, 10)).did(updated(lamp, 2, 11)).
			did(updated(lamp, 2, 12)), []check.Rule{check.LostUpdate}},
	})
}

func TestWritesWithoutResponse(t *testing.T) {
	t.Parallel()
	start := func() *story {
		return new(story).did(created(lamp, 10)).did(unanswered(updated(lamp, 0, 11)))
	}
	cases(t, map[string]storyCase{
		"never took effect":          {start().did(read(lamp, 1, 10)).did(updated(lamp, 2, 12)).did(read(lamp, 2, 12)), nil},
		"took effect":                {start().did(read(lamp, 2, 11)).did(updated(lamp, 3, 12)).did(read(lamp, 3, 12)), nil},
		"took effect a little later": {start().did(read(lamp, 1, 10)).did(read(lamp, 2, 11)), nil},
		"took effect after another":  {start().did(updated(lamp, 2, 12)).did(read(lamp, 3, 11)), nil},
		"older than another write":   {start().did(updated(lamp, 2, 12)).did(read(lamp, 1, 11)), []check.Rule{check.StaleRead}},
		"seen before it was sent": {new(story).did(created(lamp, 10)).did(read(lamp, 2, 11)).
			did(unanswered(updated(lamp, 0, 11))), []check.Rule{check.LostUpdate}},
		"took effect too late": {start().later(2 * time.Minute).did(read(lamp, 1, 10)).
			did(read(lamp, 2, 11)), []check.Rule{check.LateWrite}},
		"seen late, but in time": {start().later(2 * time.Minute).did(read(lamp, 2, 11)), nil},
		"a create that was found in a list": {new(story).did(unanswered(created(lamp, 10))).
			did(listed(item(lamp, 1, 10))).did(read(lamp, 1, 10)), nil},
		"a create that was sent again": {new(story).did(unanswered(created(lamp, 10))).did(created(lamp, 10)).
			did(read(lamp, 1, 10)), nil},
		"a replayed creation is no stale read": {new(story).did(created(lamp, 10)).did(updated(lamp, 2, 11)).
			did(created(lamp, 10)).did(read(lamp, 2, 11)), nil},
	})
}

func TestPicturesAsAField(t *testing.T) {
	t.Parallel()
	a, b := history.Picture{URL: "a", Ready: true}, history.Picture{URL: "b", Ready: true}
	ready := func(url string) history.Image {
		return history.Image{Source: url, Status: "ready", URLs: []string{"http://s3/" + url}}
	}
	replaced := updated(lamp, 2, 11)
	replaced.Pictures, replaced.State.Images = []history.Picture{b}, []history.Image{{Source: "b", Status: "pending"}}
	kept := updated(lamp, 3, 12)
	kept.State.Images = []history.Image{ready("b")}
	kept.State.Compressed = 1
	cases(t, map[string]storyCase{
		"replaced": {new(story).did(created(lamp, 10, a)).did(replaced).did(kept).did(read(lamp, 4, 12, ready("b"))), nil},
		"restored": {new(story).did(created(lamp, 10, a)).did(replaced).did(read(lamp, 3, 11, ready("a"))), []check.Rule{check.LostUpdate}},
		"one lost": {new(story).did(created(lamp, 10, a, b)).did(read(lamp, 2, 10, ready("a"))), []check.Rule{check.LostUpdate}},
	})
}

func TestReadsBehindOtherReadsAreCounted(t *testing.T) {
	t.Parallel()
	s := new(story).did(created(lamp, 10)).did(read(lamp, 2, 10)).did(read(lamp, 1, 10))
	if got := wantRules(t, s).BackwardReads; got != 1 {
		t.Errorf("%d backward reads, want 1", got)
	}
}
