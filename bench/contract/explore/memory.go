package explore

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"vitrine/bench/contract/conform"
)

// maxThings bounds what a worker remembers; the oldest are forgotten first.
const maxThings = 200

// memory holds the things that answers have named: ids by the kind of thing, an image's
// together with its product's.
type memory struct{ things []map[string]string }

func (m *memory) add(thing map[string]string) {
	m.things = append(m.things, thing)
	if len(m.things) > maxThings {
		m.things = m.things[1:]
	}
}

// forget removes a thing and its parts.
func (m *memory) forget(gone map[string]string) {
	if gone == nil {
		return
	}
	m.things = slices.DeleteFunc(m.things, func(thing map[string]string) bool {
		for name, value := range gone {
			if thing[name] != value {
				return false
			}
		}
		return true
	})
}

// with returns a thing that has all the names, nil if there is none.
func (m *memory) with(w *worker, names []string) map[string]string {
	var fitting []map[string]string
	for _, thing := range m.things {
		fits := len(names) > 0
		for _, name := range names {
			if _, there := thing[name]; !there {
				fits = false
			}
		}
		if fits {
			fitting = append(fitting, thing)
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	return pick(w, fitting...)
}

// learn remembers what an answer names. The document marks it with x-gives.
func (w *worker) learn(op *conform.Operation, query string, a conform.Answer) {
	schema, documented := op.Responses[a.Status].Content[a.Header.Get("Content-Type")]
	if !documented || len(a.Body) == 0 {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(a.Body))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return
	}
	// The things in a list may belong to another worker, in the middle of a story.
	list, _ := v.(map[string]any)
	if creation, _ := w.contract.Find(http.MethodPost, op.Path); op.Method == http.MethodGet && creation != nil && list != nil {
		delete(list, "data")
	}
	w.gather(schema.Raw, v, map[string]string{"list": op.Method + " " + op.Path, "query": query})
}

// nextPage sometimes returns the query of the page after an earlier one: the same with
// its cursor.
func (w *worker) nextPage(op *conform.Operation) string {
	known := w.memory.with(w, []string{"next_cursor"})
	if known == nil || known["list"] != op.Method+" "+op.Path || w.chance(2) {
		return ""
	}
	query, err := url.ParseQuery(known["query"])
	if err != nil {
		return ""
	}
	query.Set("cursor", known["next_cursor"])
	return "?" + query.Encode()
}

// gather walks a value with its schema. The names of an object apply to the objects in
// it.
func (w *worker) gather(schema map[string]any, v any, known map[string]string) {
	schema = w.contract.Resolve(schema)
	for _, name := range []string{"anyOf", "oneOf", "allOf"} {
		choices, _ := schema[name].([]any)
		for _, choice := range choices {
			if c, ok := choice.(map[string]any); ok {
				w.gather(c, v, known)
			}
		}
	}
	switch v := v.(type) {
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, element := range v {
			if items != nil {
				w.gather(items, element, known)
			}
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		own := maps.Clone(known)
		for name, raw := range properties {
			property, _ := raw.(map[string]any)
			gives, ok := property["x-gives"].(string)
			text, isText := v[name].(string)
			if n, isNumber := v[name].(json.Number); isNumber {
				text, isText = n.String(), true
			}
			if ok && isText {
				if own == nil {
					own = map[string]string{}
				}
				own[gives] = text
			}
		}
		if len(own) > len(known) {
			w.memory.add(own)
		}
		for name, raw := range properties {
			if property, ok := raw.(map[string]any); ok && v[name] != nil {
				w.gather(property, v[name], own)
			}
		}
	}
}
