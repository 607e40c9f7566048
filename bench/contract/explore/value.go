package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/contract/conform"
)

// fitting returns a value that the schema allows.
func (w *worker) fitting(schema conform.Schema) any {
	for range 200 {
		if v := w.value(schema.Raw, 0); schema.Valid(v) {
			return v
		}
	}
	panic(fmt.Sprintf("no value was found for the schema %v", schema.Raw)) // a defect of this package or of the document
}

// value returns a value that the schema usually allows; combinations of patterns and
// lengths are left to chance. Its types are those of [encoding/json] with numbers as text.
func (w *worker) value(schema map[string]any, depth int) any {
	schema = w.contract.Resolve(schema)
	if from, ok := schema["x-from"].(string); ok && w.rnd.IntN(8) > 0 {
		if known := w.memory.with(w, []string{from}); known != nil {
			if wants(schema, "integer") {
				return json.Number(known[from])
			}
			return known[from]
		}
	}
	if c, there := schema["const"]; there {
		return c
	}
	if list, ok := schema["enum"].([]any); ok {
		return pick(w, list...)
	}
	if list, ok := schema["examples"].([]any); ok && schema["x-unique"] == nil && schema["format"] != "uri" && w.chance(5) {
		return pick(w, list...)
	}
	if list, ok := schema["anyOf"].([]any); ok {
		choice, _ := pick(w, list...).(map[string]any)
		return w.value(choice, depth+1)
	}
	kind, _ := schema["type"].(string)
	if kinds, ok := schema["type"].([]any); ok {
		kind = fmt.Sprint(pick(w, kinds...))
	}
	switch kind {
	case "object":
		return w.object(schema, depth)
	case "array":
		return w.array(schema, depth)
	case "integer", "number":
		return w.number(schema, kind)
	case "boolean":
		return w.chance(2)
	case "null":
		return nil
	}
	return w.text(schema)
}

// wants reports whether a schema allows a type.
func wants(schema map[string]any, kind string) bool {
	kinds, _ := schema["type"].([]any)
	return schema["type"] == kind || slices.Contains(kinds, any(kind))
}

func (w *worker) object(schema map[string]any, depth int) any {
	properties, _ := schema["properties"].(map[string]any)
	must := map[string]bool{}
	requires := func(s map[string]any, need bool) {
		list, _ := s["required"].([]any)
		for _, name := range list {
			must[fmt.Sprint(name)] = need
		}
	}
	requires(schema, true)
	if choices, ok := schema["oneOf"].([]any); ok { // exactly one of the choices' members
		chosen := w.rnd.IntN(len(choices))
		for i, choice := range choices {
			if s, ok := choice.(map[string]any); ok && i != chosen {
				requires(s, false)
			}
		}
		if s, ok := choices[chosen].(map[string]any); ok {
			requires(s, true)
		}
	}
	v := map[string]any{}
	for _, name := range sortedNames(properties) {
		property, ok := properties[name].(map[string]any)
		need, said := must[name]
		// Names of things are usually set, because much depends on them.
		if said && !need || !said && w.rnd.IntN(8) < map[bool]int{true: 1, false: 4}[property["x-from"] != nil] {
			continue
		}
		if ok {
			v[name] = w.value(property, depth+1)
		}
	}
	others, open := schema["additionalProperties"].(map[string]any)
	names, _ := schema["propertyNames"].(map[string]any)
	for range w.rnd.IntN(4) {
		if open {
			v[w.text(names)] = w.value(others, depth+1)
		}
	}
	return v
}

func (w *worker) array(schema map[string]any, depth int) any {
	items, _ := schema["items"].(map[string]any)
	n := w.rnd.IntN(4)
	if most, ok := schema["maxItems"].(json.Number); ok && w.chance(12) {
		limit, _ := most.Int64()
		n = int(limit)
	}
	list := make([]any, n)
	for i := range list {
		list[i] = w.value(items, depth+1)
	}
	return list
}

// number returns the bounds as often as the values between them.
func (w *worker) number(schema map[string]any, kind string) any {
	least, _ := schema["minimum"].(json.Number)
	most, _ := schema["maximum"].(json.Number)
	switch w.rnd.IntN(6) {
	case 0:
		if least != "" {
			return least
		}
	case 1:
		if most != "" {
			return most
		}
	}
	if kind == "integer" {
		low, high := int64(0), int64(1000)
		if least != "" {
			low, _ = least.Int64()
		}
		if most != "" {
			high, _ = most.Int64()
		}
		return json.Number(fmt.Sprint(low + w.rnd.Int64N(high-low+1)))
	}
	return json.Number(pick(w,
		fmt.Sprintf("%d", w.rnd.IntN(1000)), fmt.Sprintf("%d.%0*d", w.rnd.IntN(1000), 1+w.rnd.IntN(4), w.rnd.IntN(10)),
		fmt.Sprintf("%de%d", w.rnd.IntN(100), w.rnd.IntN(6)), fmt.Sprintf("%dE-%d", w.rnd.IntN(100), w.rnd.IntN(5)), "0.0001", "0", "-0", "1.50"))
}

// text returns a string in the schema's format or pattern.
func (w *worker) text(schema map[string]any) string {
	if schema["x-unique"] == true {
		w.made++
		return fmt.Sprintf("%x-%d-%d@example.org", w.cfg.Seed, w.place, w.made)
	}
	switch schema["format"] {
	case "uuid":
		id := make([]byte, 16)
		for i := range id {
			id[i] = byte(w.rnd.IntN(256))
		}
		return uuid.UUID(id).String()
	case "date-time":
		at := time.Unix(1_900_000_000+w.rnd.Int64N(200_000_000), 0).UTC() // expiry times have to be in the future
		return pick(w, at, at.In(time.FixedZone("", 3600*(w.rnd.IntN(20)-10)))).Format(time.RFC3339)
	case "uri": // only the configured host
		return w.cfg.Sources + "/" + pick(w, "good.png", "missing.png", "bad.png", "slow.png") + pick(w, "", "?v="+fmt.Sprint(w.rnd.IntN(50)), "#ü", "%20/ä")
	}
	if pattern, ok := schema["pattern"].(string); ok {
		most := 24
		if limit, ok := schema["maxLength"].(json.Number); ok && w.chance(10) {
			n, _ := limit.Int64()
			most = int(n)
		}
		return w.matching(pattern, most)
	}
	return w.word()
}

func (w *worker) word() string {
	return pick(w, "lamp", "Ä ö 漢字", "<b>&amp;</b>", "' OR 1=1 --", "%_\\", "😀", "a\u202eb", strings.Repeat("x", 1+w.rnd.IntN(100)))
}

// encode writes JSON without escaping < and &, like most encoders.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // impossible: it was made of JSON's types
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func sortedNames(o map[string]any) []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// equal reports whether the stored value b is what was sent: 1.5 equals 1.50, and only
// the members of an object that were sent count, with null for absent.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		stored, ok := b.(map[string]any)
		for name, v := range a {
			if s, there := stored[name]; v == nil && there || v != nil && !equal(v, s) {
				return false
			}
		}
		return ok
	case json.Number:
		n, ok := b.(json.Number)
		x, okX := new(big.Rat).SetString(a.String())
		y, okY := new(big.Rat).SetString(n.String())
		return ok && okX && okY && x.Cmp(y) == 0
	case []any:
		list, ok := b.([]any)
		return ok && slices.EqualFunc(a, list, equal)
	}
	return a == b
}
