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

	"vitrine/product/web/contract/conform"
)

// fitting makes a value that the schema allows.
func (w *worker) fitting(schema conform.Schema) any {
	for range 200 {
		if v := w.value(schema.Raw, 0); schema.Valid(v) {
			return v
		}
	}
	panic(fmt.Sprintf("no value was found for the schema %v", schema.Raw)) // a defect of this package or of the document
}

// value makes a value that the schema mostly allows; patterns and lengths together
// are left to chance. Its types are those of [encoding/json] with numbers as text.
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
		// What names a thing is mostly given, since much depends on it.
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

// number takes the bounds themselves as often as what lies between.
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

// text makes a string of the schema's format or pattern.
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
		at := time.Unix(1_900_000_000+w.rnd.Int64N(200_000_000), 0).UTC() // what has an end must not have it behind it
		return pick(w, at, at.In(time.FixedZone("", 3600*(w.rnd.IntN(20)-10)))).Format(time.RFC3339)
	case "uri": // never another host than the one that was named
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

// encode writes JSON as other encoders would: < and & as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // cannot be: it was made of JSON's types
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

// equal says whether what is stored, b, is what was sent: 1.5 and 1.50 are the same,
// and of an object the members that were sent, of which null means none.
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
