package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// object is a JSON object that keeps the order of its members, in which the page shows
// them. Other values are []any, string, bool, json.Number and nil.
type object struct {
	names  []string
	values map[string]any
}

func newObject() *object { return &object{values: map[string]any{}} }

// get returns a member, nil if it is absent.
func (o *object) get(name string) any { return o.values[name] }

// set adds a member, or replaces its value.
func (o *object) set(name string, value any) {
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

func (o *object) drop(name string) {
	delete(o.values, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// child returns a member that is an object, an empty one if it is absent.
func (o *object) child(name string) *object {
	if c, ok := o.values[name].(*object); ok {
		return c
	}
	return newObject()
}

// within returns a member that is an object, which it adds if it is absent.
func (o *object) within(name string) *object {
	c, ok := o.values[name].(*object)
	if !ok {
		c = newObject()
		o.set(name, c)
	}
	return c
}

// list returns a member that is an array, else nil.
func (o *object) list(name string) []any {
	l, _ := o.values[name].([]any)
	return l
}

// text returns a member that is a string, else "".
func (o *object) text(name string) string {
	s, _ := o.values[name].(string)
	return s
}

// clone returns a deep copy.
func (o *object) clone() *object {
	c := newObject()
	for _, name := range o.names {
		c.set(name, cloneValue(o.values[name]))
	}
	return c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case *object:
		return v.clone()
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = cloneValue(v[i])
		}
		return c
	}
	return v
}

// MarshalJSON writes the members in their order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{name, o.values[name]} {
			if j > 0 {
				b.WriteByte(':')
			}
			text, err := encode(v)
			if err != nil {
				return nil, err
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is [json.Marshal] without escaping <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// parseYAML reads a file that is one mapping.
func parseYAML(text []byte) (*object, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return nil, err
	}
	if len(node.Content) != 1 {
		return nil, fmt.Errorf("the file has no document")
	}
	v, err := fromYAML(node.Content[0])
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, fmt.Errorf("the document is not a mapping")
	}
	return o, nil
}

func fromYAML(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return fromYAML(n.Alias)
	case yaml.MappingNode:
		o := newObject()
		for i := 0; i < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if _, twice := o.values[name]; twice {
				return nil, fmt.Errorf("line %d: %s is repeated", n.Content[i].Line, name)
			}
			v, err := fromYAML(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			o.set(name, v)
		}
		return o, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, element := range n.Content {
			v, err := fromYAML(element)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	return scalar(n)
}

// scalar keeps a number as its text, because prices are not floats.
func scalar(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		return n.Value == "true", nil
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			return nil, fmt.Errorf("line %d: %s is not a JSON number", n.Line, n.Value)
		}
		return json.Number(n.Value), nil
	case "!!str":
		return n.Value, nil
	}
	return nil, fmt.Errorf("line %d: unsupported type %s", n.Line, n.Tag)
}
