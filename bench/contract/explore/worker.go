package explore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"vitrine/bench/contract/conform"
)

// The kinds of requests.
const (
	kindValid  = "valid"
	kindSpoilt = "spoilt"
	kindStory  = "story"
)

// expectation is the answer that the document promises for a request.
type expectation int

const (
	anything expectation = iota // any documented answer
	accepted                    // the form is valid
	refused                     // the form is invalid: 4xx
)

// request is a request to be sent.
type request struct {
	op     *conform.Operation
	method string
	path   string // escaped, with the query
	header http.Header
	body   []byte
	schema conform.Schema    // of the body
	value  any               // that the body was made of
	thing  map[string]string // that the path names
	expect expectation
	about  string // what is wrong with it, for the report
}

func (r *request) String() string {
	return fmt.Sprintf("%s %s %v %.500q (%s)", r.method, r.path, r.header, r.body, r.about)
}

// worker sends requests one after the other. It remembers what it has created.
type worker struct {
	*explorer
	rnd    *rand.Rand
	memory memory
	made   int // things with names of their own
	place  uint64
}

func newWorker(e *explorer, place uint64) *worker {
	return &worker{explorer: e, rnd: rand.New(rand.NewPCG(e.cfg.Seed, place)), place: place}
}

// run sends requests until there are enough. It begins with stories, because other
// requests need what they create.
func (w *worker) run(ctx context.Context) error {
	for round := 0; ctx.Err() == nil; round++ {
		if round < 3 || w.chance(25) {
			if err := w.story(ctx); err != nil {
				return w.done(err)
			}
			continue
		}
		r, kind := w.valid(w.operation()), kindValid
		if w.chance(2) {
			w.spoil(r)
			kind = kindSpoilt
		}
		if _, err := w.send(ctx, r, kind); err != nil {
			return w.done(err)
		}
	}
	return ctx.Err()
}

// operation chooses an operation, most often one with a body, where most can go wrong.
func (w *worker) operation() *conform.Operation {
	for {
		op := pick(w, w.contract.Operations...)
		if len(op.Bodies) > 0 || w.chance(3) {
			return op
		}
	}
}

// errEnough is returned when all requests were sent.
var errEnough = errors.New("there were enough requests")

func (w *worker) done(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// send sends the request and checks the answer.
func (w *worker) send(ctx context.Context, r *request, kind string) (conform.Answer, error) {
	if !w.take(kind) {
		return conform.Answer{}, errEnough
	}
	req, err := http.NewRequestWithContext(ctx, r.method, w.cfg.URL, bytes.NewReader(r.body))
	if err != nil {
		return conform.Answer{}, err
	}
	path, query, _ := strings.Cut(r.path, "?")
	// Opaque is sent unchanged; two slashes would begin a host.
	req.URL.Opaque, req.URL.RawQuery = path, query
	if strings.HasPrefix(path, "//") {
		req.URL.Opaque = "//" + req.URL.Host + path
	}
	req.Header = r.header
	res, err := w.client.Do(req)
	if err != nil {
		return conform.Answer{}, fmt.Errorf("%s: %w", r, err)
	}
	defer func() { _ = res.Body.Close() }()
	a := conform.Answer{Status: res.StatusCode, Header: res.Header}
	if res.Header.Get("Content-Type") == typeEvents {
		a.Body, err = w.readEvents(res.Body)
	} else {
		a.Body, err = io.ReadAll(res.Body)
	}
	if err != nil {
		return a, fmt.Errorf("%s: %w", r, err)
	}
	op, _ := w.contract.Find(r.method, path)
	if op == nil {
		w.note("no route", a.Status)
	} else {
		w.note(op.Method+" "+op.Path, a.Status)
	}
	w.judge(r, op, path, a)
	switch {
	case op != nil && a.Status < 300:
		w.learn(op, query, a)
	case a.Status == http.StatusNotFound && w.chance(2): // sometimes asks for deleted things
		w.memory.forget(r.thing)
	}
	return a, nil
}

// judge checks the answer against the document and the expectation.
func (w *worker) judge(r *request, op *conform.Operation, path string, a conform.Answer) {
	if err := w.contract.Check(r.method, path, a); err != nil {
		w.violation("%s: %v", r, err)
		return
	}
	switch {
	case a.Status >= 500:
		w.violation("%s: answered %d %.300s", r, a.Status, a.Body)
	case r.expect == refused && a.Status < 400:
		w.violation("%s: answered %d, though the document forbids it", r, a.Status)
	case r.expect == accepted && op == r.op && a.Status >= 400 && !ofSubstance(a):
		w.violation("%s: answered %d, though the document allows it: %.500s", r, a.Status, a.Body)
	}
}

// valid returns a request that the document allows.
func (w *worker) valid(op *conform.Operation) *request {
	r := &request{op: op, method: op.Method, header: http.Header{}, expect: accepted, about: "valid"}
	if op.Method == http.MethodGet && w.chance(10) {
		r.method = http.MethodHead
	}
	if w.cfg.Token != "" && !op.Open {
		r.header.Set("Authorization", "Bearer "+w.token())
	}
	if w.chance(4) {
		r.path = "/api"
	}
	path, thing := w.fill(op)
	r.path += path
	r.thing = thing
	if next := w.nextPage(op); next != "" {
		r.path += next
		return r
	}
	query := url.Values{}
	for _, p := range op.Parameters {
		if p.In == "path" || !p.Required && !w.chance(3) || p.Schema.Raw["x-costly"] == true && !w.chance(8) {
			continue
		}
		text, ok := w.parameter(p)
		switch {
		case !ok:
		case p.In == "query":
			query.Set(p.Name, text)
		case p.In == "header":
			r.header.Set(p.Name, text)
		}
	}
	if len(query) > 0 {
		r.path += "?" + query.Encode()
	}
	if len(op.Bodies) > 0 && (!op.Bodiless || !w.chance(4)) {
		w.fillBody(r, pick(w, op.Bodies...))
	}
	return r
}

// fillBody sets a body that the document allows.
func (w *worker) fillBody(r *request, body conform.Body) {
	r.schema, r.value = body.Schema, w.fitting(body.Schema)
	r.header.Set("Content-Type", body.Type)
	if body.Type == typeForm {
		w.writeForm(r)
		return
	}
	r.body = encode(r.value)
}

// token returns the administrator's token, and sometimes a user's API key.
func (w *worker) token() string {
	if known := w.memory.with(w, []string{"token"}); known != nil && w.chance(6) {
		return known["token"]
	}
	return w.cfg.Token
}

// fill replaces the names in the operation's path by those of a known thing, which may
// be deleted, if there is one.
func (w *worker) fill(op *conform.Operation) (path string, known map[string]string) {
	path = op.Path
	var names []string
	for _, p := range op.Parameters {
		if p.In == "path" {
			names = append(names, source(p.Schema))
		}
	}
	known = w.memory.with(w, names)
	for _, p := range op.Parameters {
		if p.In != "path" {
			continue
		}
		text, there := known[source(p.Schema)]
		if !there {
			text, _ = w.parameter(p)
		}
		path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(text))
	}
	return path, known
}

// parameter returns the text of a parameter; ok is false if it has none.
func (w *worker) parameter(p conform.Parameter) (string, bool) {
	if from := source(p.Schema); from != "" {
		if known := w.memory.with(w, []string{from}); known != nil && w.rnd.IntN(8) > 0 && from != "next_cursor" {
			return known[from], true
		}
		if p.Schema.Raw["format"] == nil { // cannot be generated
			return "", false
		}
	}
	if list, ok := p.Schema.Raw["examples"].([]any); ok && p.Schema.Raw["x-costly"] == true {
		return fmt.Sprint(pick(w, list...)), true
	}
	for range 50 {
		text := fmt.Sprint(w.value(p.Schema.Raw, 0))
		if p.Schema.ValidText(text) && !strings.ContainsAny(text, "\r\n\x00") {
			return text, true
		}
	}
	return "", false
}

// source returns the kind of thing that a value has to name.
func source(s conform.Schema) string {
	name, _ := s.Raw["x-from"].(string)
	return name
}

// chance reports true once in n times.
func (w *worker) chance(n int) bool { return w.rnd.IntN(n) == 0 }

func pick[T any](w *worker, from ...T) T { return from[w.rnd.IntN(len(from))] }
