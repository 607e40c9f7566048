package conform

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// Find returns the operation that matches a request, nil if none does, and the methods
// of the path. path is escaped, with or without the prefix /api.
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
		// A literal segment takes precedence over a name.
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
			if segments[i] == "" && i == len(segments)-1 { // the router matches an empty segment with a name, except at the end
				return false
			}
		} else if segments[i] != want {
			return false
		}
	}
	return true
}

// Codes returns the codes that the operation's problems with a status can have.
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

// inOrder sorts methods in the order of the service.
func inOrder(methods []string) []string {
	order := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return slices.DeleteFunc(order, func(method string) bool { return !slices.Contains(methods, method) })
}

// ValidText reports whether the text of a parameter or header fits its schema.
func (s Schema) ValidText(text string) bool {
	return s.Valid(typed(s.Raw, text))
}

// typed converts a text to the type of its schema, if possible.
func typed(schema map[string]any, text string) any {
	switch schema["type"] {
	case "integer", "number":
		// Valid JSON that is not a number, or has more digits than can be compared,
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
