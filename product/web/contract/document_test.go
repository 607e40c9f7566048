package contract_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vitrine/product/web/contract"
)

// compiler knows the document's schemas.
func compiler(t *testing.T) (*jsonschema.Compiler, map[string]any) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(contract.Load().JSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("vitrine:doc", v); err != nil {
		t.Fatal(err)
	}
	return c, v.(map[string]any)
}

func TestEveryExampleFitsItsSchema(t *testing.T) {
	t.Parallel()
	c, root := compiler(t)
	examples := 0
	walk("", root, func(at string, o map[string]any) {
		list, ok := o["examples"].([]any)
		if !ok || strings.HasSuffix(at, "/examples/0") {
			return
		}
		schema, err := c.Compile("vitrine:doc#" + strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(at))
		if err != nil {
			t.Errorf("%s: %v", at, err)
			return
		}
		for _, example := range list {
			examples++
			if err := schema.Validate(example); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	})
	if examples < 80 {
		t.Errorf("only %d examples were found", examples)
	}
}

// The examples on the pages consist of the examples of their parts.
func TestEveryShownExampleFitsItsSchema(t *testing.T) {
	t.Parallel()
	c, root := compiler(t)
	for name := range root["components"].(map[string]any)["schemas"].(map[string]any) {
		shown := contract.SchemaExample(name)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(shown))
		if err != nil {
			t.Errorf("%s: %v: %q", name, err, shown)
			continue
		}
		schema, err := c.Compile("vitrine:doc#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	_, root := compiler(t)
	used := map[string]bool{}
	walk("", root, func(at string, o map[string]any) {
		ref, ok := o["$ref"].(string)
		if !ok {
			return
		}
		used[ref] = true
		var v any = root
		for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			parent, _ := v.(map[string]any)
			v = parent[name]
		}
		if v == nil {
			t.Errorf("%s: nothing is at %s", at, ref)
		}
	})
	for _, kind := range []string{"parameters", "headers", "schemas"} {
		for name := range root["components"].(map[string]any)[kind].(map[string]any) {
			if ref := "#/components/" + kind + "/" + name; !used[ref] && !retained[name] {
				t.Errorf("nothing refers to %s", ref)
			}
		}
	}
}

// retained has the headers that each response documents itself.
var retained = map[string]bool{"Allow": true, "WWW-Authenticate": true, "Retry-After": true}

func TestOperationsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	_, root := compiler(t)
	seen := map[string]bool{}
	walk("", root["paths"], func(at string, o map[string]any) {
		id, ok := o["operationId"].(string)
		if !ok {
			return
		}
		if seen[id] || o["summary"] == nil || len(o["tags"].([]any)) != 1 {
			t.Errorf("%s: operation %s is not described, or twice", at, id)
		}
		seen[id] = true
	})
}

// The codes of images are those of package imaging.
func TestPictureCodesAreThoseOfImaging(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../../imaging/imaging.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, match := range regexp.MustCompile(`Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, match[1])
	}
	for _, c := range contract.Pictures {
		got = append(got, c.Code)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes (-imaging +contract):\n%s", diff)
	}
}

func TestNothingOfTheSourcesOwnNotationIsPublished(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"x-problems", "x-problem-groups", "x-common-headers", "x-table", "x-unlimited"} {
		if bytes.Contains(contract.Load().JSON(), []byte(word)) {
			t.Errorf("%s is in the document", word)
		}
	}
	if !json.Valid(contract.Load().JSON()) {
		t.Error("the document is no JSON")
	}
}

// walk calls f for each object.
func walk(at string, v any, f func(at string, o map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(at, v)
		for name, child := range v {
			walk(at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), child, f)
		}
	case []any:
		for i, child := range v {
			walk(at+"/"+strconv.Itoa(i), child, f)
		}
	}
}
