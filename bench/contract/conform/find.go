package conform

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// Find gives the operation that takes a request, nil where none does, and the
// methods that the path has. path is escaped, with the prefix /api or without.
func (c *Contract) Find(method, path string) (op *Operation, allowed []string) {
	if rest, found := strings.CutPrefix(path, "/api/"); found {
		path = "/" + rest
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(path, "/")
	for _, candidate := range c.Operations {
		if !candidate.takes(segments) {
			continue
		}
		allowed = append(allowed, candidate.Method)
		if candidate.Method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
		// A name in the path is weaker than a word.
		if candidate.Method == method && (op == nil || strings.Count(candidate.Path, "{") < strings.Count(op.Path, "{")) {
			op = candidate
		}
	}
	return op, inOrder(allowed)
}

func (o *Operation) takes(segments []string) bool {
	if len(segments) != len(o.segments) {
		return false
	}
	for i, want := range o.segments {
		if strings.HasPrefix(want, "{") {
			if segments[i] == "" && i == len(segments)-1 { // the router takes nothing for a name, but not at the end
				return false
			}
		} else if segments[i] != want {
			return false
		}
	}
	return true
}

// Codes gives the codes that the operation's problems with a status may have.
func (o *Operation) Codes(status int) []string {
	all, _ := o.Responses[status].Content[problemType].Raw["allOf"].([]any)
	var codes []string
	for _, part := range all {
		schema, _ := part.(map[string]any)
		list, _ := member(schema, "properties", "code")["enum"].([]any)
		for _, code := range list {
			codes = append(codes, fmt.Sprint(code))
		}
	}
	return codes
}

// inOrder sorts methods as the service lists them.
func inOrder(methods []string) []string {
	order := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return slices.DeleteFunc(order, func(method string) bool { return !slices.Contains(methods, method) })
}

// ValidText reports whether the text of a parameter or header fits its schema.
func (s Schema) ValidText(text string) bool {
	return s.Valid(typed(s.Raw, text))
}

// typed gives a text the type that its schema wants, where it can have it.
func typed(schema map[string]any, text string) any {
	switch schema["type"] {
	case "integer", "number":
		// Valid JSON that is no number, or one of more digits than can be compared,
		// stays a text, which does not fit.
		if _, ok := new(big.Rat).SetString(text); ok && json.Valid([]byte(text)) {
			return json.Number(text)
		}
	case "boolean":
		if text == "true" || text == "false" {
			return text == "true"
		}
	}
	return text
}
