// Package conform checks answers of the API against its OpenAPI document: the status,
// the headers and every member of the body have to be documented. It reads the document
// as a client does, from its JSON. Tests and the request generator use it; the service
// does not.
package conform

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is an OpenAPI 3.1 document with compiled schemas. It is immutable and safe
// for concurrent use.
type Contract struct {
	Operations []*Operation

	root     map[string]any
	compiler *jsonschema.Compiler
	problem  *jsonschema.Schema
	event    *jsonschema.Schema
	unrouted []any // codes of answers to requests that no operation matches
}

// Operation is one method of one path.
type Operation struct {
	Method     string // in upper case
	Path       string // with {names}
	Open       bool   // needs no authorization
	Parameters []Parameter
	Bodies     []Body // empty if the operation has no body
	Bodiless   bool   // the body is optional
	Responses  map[int]Response

	segments []string
}

// Parameter is a part of the path, the query or the header.
type Parameter struct {
	Name     string
	In       string // path, query or header
	Required bool
	Schema   Schema
}

// Body is a body that an operation accepts.
type Body struct {
	Type   string
	Schema Schema
}

// Response is an answer with one status.
type Response struct {
	Headers map[string]Header
	Content map[string]Schema // by Content-Type
}

// Header is a header of an answer.
type Header struct {
	Required bool
	Schema   Schema
}

// Schema is a schema as written, without a reference at its top, and compiled.
type Schema struct {
	Raw      map[string]any
	compiled *jsonschema.Schema
}

const resource = "vitrine:openapi.json"

// New reads a document. The error says what is wrong with it.
func New(document []byte) (*Contract, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("the document is not JSON: %w", err)
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is not an object")
	}
	c := &Contract{root: root, compiler: jsonschema.NewCompiler()}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(resource, root); err != nil {
		return nil, err
	}
	if c.problem, err = c.compiler.Compile(resource + "#/components/schemas/Problem"); err != nil {
		return nil, err
	}
	if c.event, err = c.compiler.Compile(resource + "#/components/schemas/Event"); err != nil {
		return nil, err
	}
	c.unrouted, _ = root["x-unrouted-problems"].([]any)
	paths := member(root, "paths")
	for _, path := range sorted(paths) {
		item := member(paths, path)
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if item[method] == nil {
				continue
			}
			op, err := c.operation(path, method, item)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			c.Operations = append(c.Operations, op)
		}
	}
	return c, nil
}

func (c *Contract) operation(path, method string, item map[string]any) (*Operation, error) {
	raw := member(item, method)
	at := "/paths/" + token(path)
	op := &Operation{
		Method: strings.ToUpper(method), Path: path, Responses: map[int]Response{}, segments: strings.Split(path, "/"),
	}
	if security, said := raw["security"].([]any); said && len(security) == 0 {
		op.Open = true
	}
	for _, place := range []string{at, at + "/" + method} {
		if err := c.parameters(op, place); err != nil {
			return nil, err
		}
	}
	at += "/" + method
	required, _ := member(raw, "requestBody")["required"].(bool)
	op.Bodiless = !required
	content := member(raw, "requestBody", "content")
	for _, contentType := range sorted(content) {
		s, err := c.schema(at + "/requestBody/content/" + token(contentType) + "/schema")
		if err != nil {
			return nil, err
		}
		op.Bodies = append(op.Bodies, Body{contentType, s})
	}
	responses := member(raw, "responses")
	for _, status := range sorted(responses) {
		n, err := strconv.Atoi(status)
		if err != nil {
			return nil, fmt.Errorf("status %q", status)
		}
		if op.Responses[n], err = c.response(at + "/responses/" + status); err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
	}
	return op, nil
}

// parameters reads the list of a path or an operation.
func (c *Contract) parameters(op *Operation, at string) error {
	_, owner := c.follow(at)
	list, _ := owner["parameters"].([]any)
	for i := range list {
		where, raw := c.follow(at + "/parameters/" + strconv.Itoa(i))
		p := Parameter{}
		p.Name, _ = raw["name"].(string)
		p.In, _ = raw["in"].(string)
		p.Required, _ = raw["required"].(bool)
		var err error
		if p.Schema, err = c.schema(where + "/schema"); err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		op.Parameters = append(op.Parameters, p)
	}
	return nil
}

func (c *Contract) response(at string) (Response, error) {
	at, raw := c.follow(at)
	r := Response{Headers: map[string]Header{}, Content: map[string]Schema{}}
	for name := range member(raw, "headers") {
		where, header := c.follow(at + "/headers/" + token(name))
		s, err := c.schema(where + "/schema")
		if err != nil {
			return r, fmt.Errorf("header %s: %w", name, err)
		}
		required, _ := header["required"].(bool)
		r.Headers[name] = Header{required, s}
	}
	for contentType := range member(raw, "content") {
		s, err := c.schema(at + "/content/" + token(contentType) + "/schema")
		if err != nil {
			return r, fmt.Errorf("%s: %w", contentType, err)
		}
		r.Content[contentType] = s
	}
	return r, nil
}

// schema compiles the schema at a place of the document.
func (c *Contract) schema(at string) (Schema, error) {
	compiled, err := c.compiler.Compile(resource + "#" + strings.ReplaceAll(at, "%", "%25"))
	if err != nil {
		return Schema{}, err
	}
	_, raw := c.follow(at)
	return Schema{c.Resolve(raw), compiled}, nil
}

// Valid reports whether v, of the types of [jsonschema.UnmarshalJSON], fits the schema.
func (s Schema) Valid(v any) bool { return s.compiled.Validate(v) == nil }

// follow returns the object at a place, and the place that its references lead to.
func (c *Contract) follow(at string) (string, map[string]any) {
	var v any = c.root
	for _, name := range strings.Split(at, "/")[1:] {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch parent := v.(type) {
		case map[string]any:
			v = parent[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(parent) {
				return at, nil
			}
			v = parent[i]
		}
	}
	o, _ := v.(map[string]any)
	if ref, ok := o["$ref"].(string); ok && len(o) == 1 {
		return c.follow(strings.TrimPrefix(ref, "#"))
	}
	return at, o
}

// Resolve returns a schema without its reference: the target, with the members beside
// the reference added.
func (c *Contract) Resolve(schema map[string]any) map[string]any {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	_, target := c.follow(strings.TrimPrefix(ref, "#"))
	merged := map[string]any{}
	for name, v := range c.Resolve(target) {
		merged[name] = v
	}
	for name, v := range schema {
		if name != "$ref" {
			merged[name] = v
		}
	}
	return merged
}

// member returns the object at a path of names, nil if it is absent.
func member(o map[string]any, names ...string) map[string]any {
	for _, name := range names {
		o, _ = o[name].(map[string]any)
	}
	return o
}

func sorted(o map[string]any) []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// token escapes a name for a JSON pointer (RFC 6901, section 3).
func token(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
