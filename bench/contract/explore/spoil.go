package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vitrine/bench/contract/conform"
)

// spoil makes a valid request invalid, and returns whether it has to be refused.
func (w *worker) spoil(r *request) {
	r.expect = anything
	for {
		switch w.rnd.IntN(10) {
		case 0, 1, 2:
			if r.value != nil && !r.form() {
				w.spoilValue(r)
				return
			}
		case 3, 4:
			if r.form() {
				w.spoilForm(r)
				return
			}
			if r.value != nil {
				w.spoilBytes(r)
				return
			}
		case 5:
			if r.value != nil {
				w.spoilType(r)
				return
			}
		case 6:
			w.spoilQuery(r)
			return
		case 7:
			w.spoilPath(r)
			return
		case 8:
			w.spoilHeader(r)
			return
		case 9:
			r.method = pick(w, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "BREW", "get")
			r.about = "another method"
			return
		}
	}
}

// oddValues are invalid for nearly every schema.
func (w *worker) oddValues() []any {
	return []any{
		nil, true, false, "", " ", "x", "\x00", "\u0085", "é", strings.Repeat("é", 201), strings.Repeat("x", 10_001), strings.Repeat("x", 65_000),
		json.Number("-1"), json.Number("0"), json.Number("1.00001"), json.Number("1e400"), json.Number("1e-400"), json.Number("99999999999999999999"), json.Number("2147483648"),
		[]any{}, []any{nil}, map[string]any{}, map[string]any{"a": 1}, nested(10), nested(40), make([]any, 21), "ftp://127.0.0.1/x", "http://", "a@b@c", "2026-02-30T00:00:00Z",
	}
}

// nested returns n nested arrays.
func nested(n int) any {
	var v any = "x"
	for range n {
		v = []any{v}
	}
	return v
}

// spoilValue changes the body at one or two places. The schema decides whether it is
// still valid.
func (w *worker) spoilValue(r *request) {
	o, ok := r.value.(map[string]any)
	if !ok {
		return
	}
	for range 1 + w.rnd.IntN(2) {
		names := sortedNames(o)
		switch {
		case len(names) == 0 || w.chance(5):
			o[pick(w, "id", "Product_Name", "unknown", "a/b~c", strings.Repeat("n", 300), "__proto__")] = pick(w, w.oddValues()...)
		case w.chance(10):
			clear(o)
		case w.chance(4):
			delete(o, pick(w, names...))
		default:
			name := pick(w, names...)
			if list, ok := o[name].([]any); ok && len(list) > 0 && w.chance(2) {
				list[w.rnd.IntN(len(list))] = pick(w, w.oddValues()...)
			} else {
				o[name] = pick(w, w.oddValues()...)
			}
		}
	}
	r.body, r.about = encode(o), "another value"
	if v, err := reread(r.body); err != nil || !r.schema.Valid(v) {
		r.expect = refused
	}
}

func reread(body []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return v, err
}

// spoilBytes changes the bytes of the body.
func (w *worker) spoilBytes(r *request) {
	body := bytes.Clone(r.body)
	r.expect = refused
	switch w.rnd.IntN(11) {
	case 0:
		r.body, r.about = body[:w.rnd.IntN(len(body))], "cut off"
	case 1:
		r.body, r.about = append(body, pick(w, "{}", "x", "\x00", "]")...), "something behind"
	case 2:
		r.body, r.about = append([]byte(`{"a":"`+"\xff"+`",`), body[1:]...), "not UTF-8"
	case 3:
		r.body, r.about = []byte(pick(w, "null", "[]", "7", `"x"`, "true", "", " \n", "{]", "nul", "\ufeff{}")), "no object"
	case 4:
		r.body, r.about = append([]byte(`{"twice":1,"twice":2,`), body[1:]...), "the same name twice"
	case 5:
		r.body, r.about = []byte(strings.Repeat("[", 100_000)), "very deep"
	case 6:
		r.body, r.about = bytes.Repeat([]byte(" "), 1<<20+1), "too large"
	case 7:
		r.body, r.about = []byte(`{"product_price":1e9999999999999999999,"rate":1e9999999999999999999,"n":-1e999999999}`), "huge numbers"
	case 8:
		r.body, r.about = []byte(`{"a":"\ud800"}`), "half a character"
	case 9:
		r.body, r.about = []byte("{"+strings.Repeat(`"a":1,`, 100_000)+`"a":1}`), "very many members"
	default:
		for range 1 + w.rnd.IntN(4) {
			body[w.rnd.IntN(len(body))] = byte(w.rnd.IntN(256))
		}
		r.body, r.about, r.expect = body, "other bytes", anything
	}
	if r.op.Bodiless && len(bytes.TrimSpace(r.body)) == 0 {
		r.expect = anything
	}
}

// spoilType sets a wrong Content-Type or encoding.
func (w *worker) spoilType(r *request) {
	r.expect, r.about = refused, "another type"
	switch w.rnd.IntN(4) {
	case 0:
		r.header.Del("Content-Type")
	case 1:
		r.header.Set("Content-Encoding", pick(w, "gzip", "br", "identity, gzip"))
	default:
		r.header.Set("Content-Type", pick(w, "text/plain", "application/xml", "application/json; charset=latin1", "application/json;", "*/*", "json", "\xff", "application/x-www-form-urlencoded"))
		if r.header.Get("Content-Type") == "application/json;" { // a parameter may be missing
			r.expect = anything
		}
	}
}

// spoilQuery makes a parameter invalid, or adds an unknown one.
func (w *worker) spoilQuery(r *request) {
	name, value := "unknown", pick(w, "1", "", "%00", "ü")
	r.about = "an unknown parameter"
	var known []conform.Parameter
	for _, p := range r.op.Parameters {
		if p.In == "query" {
			known = append(known, p)
		}
	}
	strict := slices.Contains(r.op.Codes(http.StatusBadRequest), "invalid_parameters")
	wrong := true
	if len(known) > 0 && w.rnd.IntN(4) > 0 {
		p := pick(w, known...)
		name, r.about = p.Name, "a parameter with another value"
		value = pick(w, "", "x", "-1", "0", "101", "1e3", "1e99999", "0.00001", "true", "TRUE", "null", "2026-01-31", "2026-01-31T12:00:00+01:00", "\x7f", "a\tb", strings.Repeat("z", 4000), "00000000-0000-0000-0000-00000000000g", "{"+strings.Repeat("0", 36)+"}")
		wrong = !p.Schema.ValidText(value) || strings.ContainsAny(value, "\x7f\t")
		if w.chance(6) {
			value, wrong, r.about = "1&"+name+"=1", true, "a repeated parameter"
		}
	}
	separator := "?"
	if strings.Contains(r.path, "?") {
		separator = "&"
		wrong = wrong || strings.Contains(r.path, name+"=")
	}
	if !strings.Contains(value, "&") {
		value = url.QueryEscape(value)
	}
	r.path += separator + name + "=" + value + pick(w, "", "", "", "&", "&&%zz=1", "&=")
	if strict && wrong {
		r.expect = refused
	}
}

// spoilPath names something that does not exist, or changes the form of the path.
func (w *worker) spoilPath(r *request) {
	path, query, _ := strings.Cut(r.path, "?")
	segments := strings.Split(path, "/")
	at := 1 + w.rnd.IntN(len(segments)-1)
	switch w.rnd.IntN(5) {
	case 0:
		segments = append(segments, pick(w, "", "x", "..", "%2e%2e"))
	case 1:
		segments[at] = strings.ToUpper(segments[at])
	case 2:
		segments[at] = ""
	default:
		segments[at] = pick(w, "x", "%00", "%20", "..", ".", "%2f", "%2F..", "%ff", "%F0%9F%92%A1", "00000000-0000-0000-0000-000000000000", strings.Repeat("9", 3000), "{id}", "*", "a;b=c", "%2500")
	}
	r.path, r.about = strings.Join(segments, "/"), "another path"
	if query != "" {
		r.path += "?" + query
	}
}

// spoilHeader sets an invalid header.
func (w *worker) spoilHeader(r *request) {
	name := pick(w, "If-Match", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID", "Authorization", "Accept", "Accept-Encoding",
		"Accept-Language", "Range", "Prefer", "Cookie", "X-Forwarded-For", "X-Http-Method-Override", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Origin", "Forwarded")
	value := pick(w, "", " ", "*", `"`, `"1"`, `W/"1"`, `"1", "2",`, `w/"1"`, "1", "x", "\xff\xfe", "bytes=0-9", "text/html;q=x", "respond-async, wait=0", "wait=1;a",
		strings.Repeat("a", 8000), strings.Repeat(`"1",`, 2000), "Bearer", "Bearer x y", "Basic eDp5", fmt.Sprint(w.rnd.Uint64()), "PUT", "::1, 127.0.0.1")
	r.header[name] = []string{value}
	if w.chance(5) {
		r.header[name] = append(r.header[name], value)
	}
	r.about = "a header " + name
}
