package contract

import (
	"encoding/json"
	"fmt"
	"strings"
)

const schemaRefs = "#/components/schemas/"

// resolve follows a reference; members beside the reference replace those of its target.
func (d *Document) resolve(v any) *object {
	o, ok := v.(*object)
	if !ok {
		return newObject()
	}
	ref := o.text("$ref")
	if ref == "" {
		return o
	}
	target := d.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		target = target.child(name)
	}
	if len(o.names) == 1 {
		return d.resolve(target)
	}
	merged := d.resolve(target).clone()
	for _, name := range o.names {
		if name != "$ref" {
			merged.set(name, o.get(name))
		}
	}
	return merged
}

// schemaName returns the name of the schema that a reference names, else "".
func schemaName(o *object) string {
	if name, found := strings.CutPrefix(o.text("$ref"), schemaRefs); found {
		return name
	}
	return ""
}

func (d *Document) schemaView(name string, schema *object) schemaView {
	f := d.field(name, schema, false)
	v := schemaView{Name: name, Type: f.Type, Description: schema.text("description"), Fields: d.fields(schema)}
	if len(v.Fields) == 0 {
		v.Bounds = f.Bounds
	}
	v.Example = d.exampleText(schema)
	return v
}

// fields returns the members of an object's schema.
func (d *Document) fields(schema *object) []field {
	required := schema.list("required")
	properties := schema.child("properties")
	var all []field
	for _, name := range properties.names {
		must := false
		for _, r := range required {
			must = must || r == name
		}
		all = append(all, d.field(name, properties.get(name), must))
	}
	return all
}

// field returns a schema as one line.
func (d *Document) field(name string, raw any, required bool) field {
	o, _ := raw.(*object)
	if o == nil {
		o = newObject()
	}
	schema := d.resolve(raw)
	f := field{Name: name, Required: required, Description: schema.text("description"), Link: schemaName(o)}
	f.Type, f.Bounds = d.typeName(schema), bounds(schema)
	if items, ok := schema.get("items").(*object); ok {
		f.Link = schemaName(items)
	}
	for _, choice := range schema.list("anyOf") {
		if c, ok := choice.(*object); ok && schemaName(c) != "" {
			f.Link = schemaName(c)
		}
	}
	return f
}

// typeName returns the type of a schema's values in words.
func (d *Document) typeName(schema *object) string {
	switch t := schema.get("type").(type) {
	case string:
		if items, ok := schema.get("items").(*object); ok && t == "array" {
			return "array of " + d.typeName(d.resolve(items)) + "s"
		}
		return t
	case []any:
		names := make([]string, len(t))
		for i := range t {
			names[i] = fmt.Sprint(t[i])
		}
		return strings.Join(names, " or ")
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		var names []string
		for _, choice := range schema.list(name) {
			names = append(names, d.typeName(d.resolve(choice)))
		}
		if len(names) > 0 {
			return strings.Join(names, " or ")
		}
	}
	return "string"
}

// bounds returns the limits of a schema's values in words.
func bounds(schema *object) string {
	var parts []string
	if c, there := schema.values["const"]; there {
		parts = append(parts, "`"+literal(c)+"`")
	}
	if list := schema.list("enum"); len(list) > 0 && len(list) <= 8 {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = "`" + literal(v) + "`"
		}
		parts = append(parts, strings.Join(words, ", "))
	}
	if f := schema.text("format"); f != "" {
		parts = append(parts, "format "+f)
	}
	for _, bound := range []struct{ name, text string }{
		{"minimum", "at least %s"}, {"maximum", "at most %s"}, {"multipleOf", "in steps of %s"},
		{"minLength", "at least %s characters"}, {"maxLength", "at most %s characters"},
		{"minItems", "at least %s elements"}, {"maxItems", "at most %s elements"}, {"default", "default: %s"},
	} {
		if v, there := schema.values[bound.name]; there {
			parts = append(parts, fmt.Sprintf(bound.text, literal(v)))
		}
	}
	return strings.Join(parts, "; ")
}

// literal returns a value as text, a string without quotes.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// example returns one of the schema's examples, or a value made of those of its parts.
func (d *Document) example(raw any) (any, bool) {
	schema := d.resolve(raw)
	if list := schema.list("examples"); len(list) > 0 {
		return list[0], true
	}
	for _, name := range []string{"const", "default"} {
		if v, there := schema.values[name]; there {
			return v, true
		}
	}
	if list := schema.list("enum"); len(list) > 0 {
		return list[0], true
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if list := schema.list(name); len(list) > 0 {
			return d.example(list[0])
		}
	}
	switch schema.get("type") {
	case "null":
		return nil, true
	case "boolean":
		return true, true
	case "object":
		v := newObject()
		properties := schema.child("properties")
		for _, name := range properties.names {
			if part, ok := d.example(properties.get(name)); ok {
				v.set(name, part)
			}
		}
		return v, true
	}
	if items, ok := schema.get("items").(*object); ok {
		element, ok := d.example(items)
		return []any{element}, ok
	}
	return nil, false
}
