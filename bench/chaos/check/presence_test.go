package check_test

import (
	"testing"
	"time"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/history"
)

func TestPresence(t *testing.T) {
	t.Parallel()
	refused := unanswered(created(lamp, 10))
	refused.Outcome, refused.Status, refused.Replica, refused.Error = history.Refused, 409, "r", ""
	stranger := item(desk, 1, 10)
	stranger.Key = "key of " + lamp
	cases(t, map[string]storyCase{
		"deleted and not found": {new(story).did(created(lamp, 10)).did(deleted(lamp)).did(notFound(history.Read, lamp)).
			did(notFound(history.Update, lamp)).did(notFound(history.Delete, lamp)), nil},
		"acknowledged and not found": {new(story).did(created(lamp, 10)).
			did(notFound(history.Read, lamp)), []check.Rule{check.LostProduct}},
		"acknowledged and an update finds nothing": {new(story).did(created(lamp, 10)).
			did(notFound(history.Update, lamp)), []check.Rule{check.LostProduct}},
		"not found before the acknowledgement": {new(story).during(0, 5*time.Second, created(lamp, 10)).
			during(2*time.Second, 3*time.Second, notFound(history.Read, lamp)), nil},
		"not found while a delete is in progress": {new(story).did(created(lamp, 10)).
			during(3*time.Second, 9*time.Second, deleted(lamp)).
			during(4*time.Second, 5*time.Second, notFound(history.Read, lamp)), nil},
		"deleted and read again": {new(story).did(created(lamp, 10)).did(deleted(lamp)).
			did(read(lamp, 1, 10)), []check.Rule{check.UndoneDelete}},
		"deleted and listed again": {new(story).did(created(lamp, 10)).did(deleted(lamp)).
			did(final(listed(item(lamp, 1, 10)))), []check.Rule{check.UndoneDelete}},
		"a delete without a response has no effect": {new(story).did(created(lamp, 10)).did(unanswered(deleted(lamp))).
			did(read(lamp, 1, 10)), nil},
		"a delete without a response takes effect": {new(story).did(created(lamp, 10)).did(unanswered(deleted(lamp))).
			did(notFound(history.Read, lamp)), nil},
		"a delete without a response takes effect and is undone": {new(story).did(created(lamp, 10)).did(unanswered(deleted(lamp))).
			did(notFound(history.Read, lamp)).did(read(lamp, 1, 10)), []check.Rule{check.UndoneDelete}},
		"two acknowledged deletes": {new(story).did(created(lamp, 10)).did(deleted(lamp)).
			did(deleted(lamp)), []check.Rule{check.Doubled}},
		"missing from a list": {new(story).did(created(lamp, 10)).did(created(chair, 11)).did(created(desk, 12)).
			did(listed(item(desk, 1, 12), item(lamp, 1, 10))), []check.Rule{check.LostProduct}},
		"beyond a list's end": {new(story).did(created(lamp, 10)).did(created(chair, 11)).
			did(listed(item(chair, 1, 11))), nil},
		"missing from the list of all": {new(story).did(created(lamp, 10)).did(created(chair, 11)).
			did(final(listed(item(chair, 1, 11)))), []check.Rule{check.LostProduct}},
		"an empty list of all": {new(story).did(created(lamp, 10)).did(final(listed())), []check.Rule{check.LostProduct}},
		"one key, two acknowledged products": {new(story).did(created(lamp, 10)).
			did(func() history.Op { op := created(chair, 10); op.Key = "key of " + lamp; return op }()), []check.Rule{check.Doubled}},
		"one key, a second product in the list": {new(story).did(created(lamp, 10)).
			did(final(listed(stranger, item(lamp, 1, 10)))), []check.Rule{check.Doubled}},
		"one key, two attempts, one product": {new(story).did(unanswered(created(lamp, 10))).did(refused).did(created(lamp, 10)).
			did(final(listed(item(lamp, 1, 10)))), nil},
		"refused but found": {new(story).did(refused).
			did(final(listed(item(lamp, 1, 10)))), []check.Rule{check.RefusedEffect}},
	})
}
