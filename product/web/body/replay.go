package body

import "vitrine/product/deadletter"

// Replay decodes the body of POST /admin/dead-letters/replay.
func Replay(body []byte) (deadletter.ReplayRequest, error) {
	o, err := parseObject(body, "id", "fingerprint", "all", "canary", "rate")
	if err != nil {
		return deadletter.ReplayRequest{}, err
	}
	q := deadletter.ReplayRequest{Rate: deadletter.DefaultReplayRate}
	id, state := o.id("id")
	if o.set("id", state) {
		q.DeadLetter = &id
	}
	fingerprint, state := o.text("fingerprint")
	if o.set("fingerprint", state) {
		q.Fingerprint = &fingerprint
	}
	all, state := o.boolean("all")
	if o.set("all", state) {
		if q.All = true; state == given && !all {
			o.Fault("all", "invalid", "must be true if present")
		}
	}
	if n, state := o.integer("canary"); o.set("canary", state) {
		q.Canary = n
	}
	if n, state := o.integer("rate"); o.set("rate", state) {
		q.Rate = n
	}
	return q, o.verdict(q)
}
