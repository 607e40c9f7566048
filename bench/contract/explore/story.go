package explore

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"vitrine/bench/contract/conform"
)

// story creates something, reads, changes and deletes it, as far as the document has
// operations for that, and checks that each step is visible in the next one.
func (w *worker) story(ctx context.Context) error {
	var creations []*conform.Operation
	for _, op := range w.contract.Operations {
		if r, ok := op.Responses[http.StatusCreated]; ok && r.Headers["Location"].Required {
			creations = append(creations, op)
		}
	}
	if len(creations) == 0 {
		return nil
	}
	create := w.valid(pick(w, creations...))
	create.about = "story: create"
	made, err := w.send(ctx, create, kindStory)
	if err != nil || made.Status != http.StatusCreated {
		return err // refused because of stored data: its owner is unknown, its key used
	}
	t := &tale{worker: w, ctx: ctx, at: made.Header.Get("Location"), token: create.header.Get("Authorization")}
	t.holds(create, made)
	if create.header.Get("Idempotency-Key") != "" {
		again := t.step(create)
		if t.err == nil && (again.Status != made.Status || again.Header.Get("Idempotent-Replayed") != "true" || again.Header.Get("Location") != t.at) {
			w.violation("%s: sent again with its key it was answered %d, %v", create, again.Status, again.Header)
		}
	}
	t.read(made)
	t.change()
	t.remove()
	return t.err
}

// tale is a story in progress, about a thing that no other worker knows.
type tale struct {
	*worker
	ctx   context.Context
	at    string // path of the thing
	token string
	err   error
}

// call returns the request of a step, nil if the document has no such operation.
func (t *tale) call(method, about string) *request {
	op, _ := t.contract.Find(method, t.at)
	if op == nil {
		return nil
	}
	r := &request{op: op, method: method, path: t.at, header: http.Header{}, expect: accepted, about: "story: " + about}
	if t.token != "" {
		r.header.Set("Authorization", t.token)
	}
	return r
}

// step sends a request, unless an earlier step failed.
func (t *tale) step(r *request) conform.Answer {
	if t.err != nil || r == nil {
		return conform.Answer{}
	}
	var a conform.Answer
	a, t.err = t.send(t.ctx, r, kindStory)
	return a
}

// want reports an answer that does not continue the story.
func (t *tale) want(r *request, a conform.Answer, statuses ...int) bool {
	if t.err != nil || r == nil {
		return false
	}
	for _, status := range statuses {
		if a.Status == status {
			return a.Status < 400
		}
	}
	t.violation("%s: answered %d %.300s and not %v", r, a.Status, a.Body, statuses)
	return false
}

// read gets the thing, which has to exist, and again with its tag, which must not have changed.
func (t *tale) read(made conform.Answer) {
	get := t.call(http.MethodGet, "read")
	a := t.step(get)
	if !t.want(get, a, http.StatusOK) {
		return
	}
	if id(a) != id(made) {
		t.violation("%s: another thing is there: %.300s", get, a.Body)
	}
	if tag := a.Header.Get("ETag"); tag != "" {
		get.header.Set("If-None-Match", tag)
		// The processing of its images may have changed it in between.
		t.want(get, t.step(get), http.StatusNotModified, http.StatusOK)
	}
}

// change patches the thing, first with a condition that does not hold.
func (t *tale) change() {
	for _, method := range []string{http.MethodPatch, http.MethodPut} {
		r := t.call(method, "change")
		if r == nil || len(r.op.Bodies) == 0 || t.err != nil {
			continue
		}
		t.fillBody(r, r.op.Bodies[0])
		if conditional(r.op) {
			r.header.Set("If-Match", `W/"987654321"`)
			t.want(r, t.step(r), http.StatusPreconditionFailed)
			r.header.Del("If-Match")
		}
		a := t.step(r)
		if t.want(r, a, http.StatusOK, http.StatusUnprocessableEntity) {
			t.holds(r, a)
			get := t.call(http.MethodGet, "read the change")
			if b := t.step(get); t.want(get, b, http.StatusOK) {
				t.holds(r, b)
			}
		}
	}
}

func conditional(op *conform.Operation) bool {
	for _, p := range op.Parameters {
		if strings.EqualFold(p.Name, "If-Match") {
			return true
		}
	}
	return false
}

// remove deletes the thing and checks that it is gone. Sometimes it keeps the thing, for
// other requests.
func (t *tale) remove() {
	if t.chance(2) {
		return
	}
	r := t.call(http.MethodDelete, "delete")
	if !t.want(r, t.step(r), http.StatusOK, http.StatusNoContent) {
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		r := t.call(method, "read what is gone")
		t.want(r, t.step(r), http.StatusNotFound)
	}
}

// holds reports whether the stored members are those that were sent, as far as request
// and answer both have them. Null stands for an empty value.
func (t *tale) holds(r *request, a conform.Answer) {
	sent, _ := r.value.(map[string]any)
	got := data(a)
	for name, value := range sent {
		stored, shown := got[name]
		if value != nil && shown && !equal(kept(name, value), stored) {
			t.violation("%s: %s was sent as %v and is %v", r, name, value, stored)
		}
	}
}

// kept returns a member as the service stores it: focal points are rounded to a thousandth.
func kept(name string, value any) any {
	point, ok := value.(map[string]any)
	if name != "focal" || !ok {
		return value
	}
	rounded := make(map[string]any, len(point))
	for axis, v := range point {
		rounded[axis] = v
		if n, ok := v.(json.Number); ok {
			if f, err := n.Float64(); err == nil {
				rounded[axis] = json.Number(strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64))
			}
		}
	}
	return rounded
}

func data(a conform.Answer) map[string]any {
	v, err := reread(a.Body)
	if err != nil {
		return nil
	}
	envelope, _ := v.(map[string]any)
	d, _ := envelope["data"].(map[string]any)
	return d
}

func id(a conform.Answer) string {
	text, _ := json.Marshal(data(a)["id"]) // nil if it is absent
	return string(text)
}
