package conform

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Answer is an answer of the API.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// transport are headers that belong to the connection or protect browsers, and that
// clients of the API ignore.
var transport = []string{
	"Connection", "Content-Length", "Content-Security-Policy", "Content-Type", "Date", "Referrer-Policy",
	"Transfer-Encoding", "X-Content-Type-Options", "X-Frame-Options",
}

// Check returns nil if the answer to a request conforms to the document, else every
// difference. path is the request's escaped path, with or without the prefix /api.
func (c *Contract) Check(method, path string, a Answer) error {
	op, allowed := c.Find(method, path)
	switch {
	case op == nil && len(allowed) > 0:
		return c.checkRouting(a, method == http.MethodHead, http.StatusMethodNotAllowed, "method_not_allowed", strings.Join(allowed, ", "))
	case op == nil:
		return c.checkRouting(a, method == http.MethodHead, http.StatusNotFound, "no_such_route", "")
	}
	response, documented := op.Responses[a.Status]
	if !documented {
		return fmt.Errorf("status %d of %s %s is not documented: %.300s", a.Status, op.Method, op.Path, a.Body)
	}
	var wrong []error
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for name, h := range response.Headers {
		checkHeader(name, h, a.Header, note)
	}
	for name := range a.Header {
		if !documentedAs(response, name) && !slices.Contains(transport, name) {
			note("header %s is not documented", name)
		}
	}
	c.checkContent(response, a, method == http.MethodHead, note)
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %s %s: %w", a.Status, op.Method, op.Path, errors.Join(wrong...))
	}
	return nil
}

// documentedAs looks a header up without regard to case.
func documentedAs(r Response, name string) bool {
	for documented := range r.Headers {
		if strings.EqualFold(documented, name) {
			return true
		}
	}
	return false
}

func checkHeader(name string, h Header, header http.Header, note func(string, ...any)) {
	values := header.Values(name)
	switch {
	case len(values) == 0 && h.Required:
		note("header %s is missing", name)
	case len(values) > 0:
		if err := h.Schema.compiled.Validate(typed(h.Schema.Raw, strings.Join(values, ", "))); err != nil {
			note("header %s: %q: %w", name, values, err)
		}
	}
}

// checkContent checks the body and its type.
func (c *Contract) checkContent(response Response, a Answer, head bool, note func(string, ...any)) {
	contentType := a.Header.Get("Content-Type")
	if len(response.Content) == 0 {
		if contentType != "" || len(a.Body) > 0 {
			note("a body of type %q is not documented", contentType)
		}
		return
	}
	schema, documented := response.Content[contentType]
	switch {
	case !documented:
		note("Content-Type %q is not documented", contentType)
		return
	case head:
		if len(a.Body) > 0 {
			note("the answer to HEAD has a body")
		}
		return
	}
	v, err := parse(contentType, a.Body)
	if err != nil {
		note("body: %w: %.300q", err, a.Body)
		return
	}
	if err := schema.compiled.Validate(v); err != nil {
		note("body: %w: %.600s", err, a.Body)
	}
	if contentType == problemType {
		checkProblem(v, a, note)
	}
}

const problemType = "application/problem+json"

// parse returns the value to validate: the text itself if the type is not JSON.
func parse(contentType string, body []byte) (any, error) {
	if contentType != "application/json" && contentType != problemType {
		return string(body), nil
	}
	// Stricter than the schema's own parser: no duplicate names, only UTF-8.
	if !jsontext.Value(body).IsValid() {
		return nil, errors.New("not strict JSON")
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(body))
}

// CheckEvent checks the data of a server-sent event against the document.
func (c *Contract) CheckEvent(data []byte) error {
	v, err := parse("application/json", data)
	if err == nil {
		err = c.event.Validate(v)
	}
	if err != nil {
		return fmt.Errorf("event %.300q: %w", data, err)
	}
	return nil
}

// checkProblem checks the members of a problem that repeat other parts of the answer.
func checkProblem(v any, a Answer, note func(string, ...any)) {
	p, _ := v.(map[string]any)
	if fmt.Sprint(p["status"]) != fmt.Sprint(a.Status) {
		note("the problem has status %v", p["status"])
	}
	if p["type"] != "/docs/problems/"+fmt.Sprint(p["code"]) {
		note("the type of %v is %v", p["code"], p["type"])
	}
	if p["request_id"] != a.Header.Get("X-Request-ID") {
		note("request_id is %v, X-Request-ID %q", p["request_id"], a.Header.Get("X-Request-ID"))
	}
	if p["message"] != p["detail"] {
		note("message and detail differ")
	}
}

// checkRouting checks the answer to a request that no operation matches: it is the
// routing problem, or a problem that every request can have.
func (c *Contract) checkRouting(a Answer, head bool, status int, code, allow string) error {
	var wrong []error
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if got := a.Header.Get("Content-Type"); got != problemType {
		note("Content-Type is %q", got)
	}
	if a.Status == status {
		if got := a.Header.Get("Allow"); got != allow {
			note("Allow is %q and not %q", got, allow)
		}
	}
	if !head {
		v, err := parse(problemType, a.Body)
		if err == nil {
			err = c.problem.Validate(v)
		}
		if err != nil {
			return fmt.Errorf("want %d %s: %w: %.300s", status, code, err, a.Body)
		}
		checkProblem(v, a, note)
		p, _ := v.(map[string]any)
		// Of the two codes of routing, only the matching one.
		if got := p["code"]; got != code && (!slices.Contains(c.unrouted, got) || got == "no_such_route" || got == "method_not_allowed") {
			note("code is %v", got)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("want %d %s: %w: %.300s", status, code, errors.Join(wrong...), a.Body)
	}
	return nil
}
