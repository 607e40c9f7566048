package body_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product"
	"vitrine/product/web/body"
)

// merge is the algorithm of RFC 7396, section 2.
func merge(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result, ok := target.(map[string]any)
	if !ok {
		result = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(result, name)
		} else {
			result[name] = merge(result[name], value)
		}
	}
	return result
}

// applied returns a product with metadata after a patch, as clients see it.
func applied(p product.Patch, metadata product.Metadata) map[string]any {
	document := map[string]any{"product_name": "Lamp", "product_description": "d", "external_id": "L1", "product_images": []any{"http://a/b"}}
	text := func(name string, value *string) {
		if value != nil && (name == "product_name" || *value != "") {
			document[name] = *value
		} else if value != nil {
			delete(document, name) // empty means absent
		}
	}
	text("product_name", p.Name)
	text("product_description", p.Description)
	text("external_id", p.ExternalID)
	if p.Images != nil {
		delete(document, "product_images")
		list := []any{}
		for _, source := range *p.Images {
			list = append(list, source)
		}
		if len(list) > 0 {
			document["product_images"] = list
		}
	}
	if p.Metadata != nil {
		metadata = p.Metadata.Apply(metadata)
	}
	inner := map[string]any{}
	for key, value := range metadata {
		inner[key] = value
	}
	document["metadata"] = inner
	return document
}

// FuzzMergePatch looks for a patch that is accepted and whose effect is not that of RFC 7396.
func FuzzMergePatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"product_name":"b"}`, `{"product_description":null,"external_id":null}`, `{"product_images":[]}`, `{"product_images":null}`,
		`{"metadata":null}`, `{"metadata":{"a":null,"b":"2","c":""}}`, `{"metadata":{"":"x"}}`, `{"metadata":{"a":"1","a":null}}`,
		`{"metadata":{"a":{"b":null}}}`, `{"metadata":[]}`, `{"external_id":""}`, `{"product_price":1e-3,"product_images":["http://x/y","http://x/y"]}`,
		`{"metadata":{"\ud83d\ude00":"\u0000"}}`, `{"metadata":{"a/b":"~","~1":"/"}} `, `[]`, `null`, `{"product_name":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := body.ProductPatch(data)
		if err != nil {
			if status, _, _ := outcome(t, err); status != 400 && status != 422 {
				t.Errorf("status %d", status)
			}
			return
		}
		var patch map[string]any
		if err := json.Unmarshal(data, &patch); err != nil {
			t.Fatalf("taken although no JSON: %v", err)
		}
		delete(patch, "product_price") // the tests of prices cover numbers
		metadata := product.Metadata{"a": "1", "b": "2"}
		want, _ := merge(applied(product.Patch{}, maps.Clone(metadata)), patch).(map[string]any)
		for _, name := range []string{"product_description", "product_images"} { // empty means absent
			if list, ok := want[name].([]any); want[name] == "" || ok && len(list) == 0 {
				delete(want, name)
			}
		}
		if want["metadata"] == nil {
			want["metadata"] = map[string]any{}
		}
		if diff := cmp.Diff(want, applied(p, metadata)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", data, diff)
		}
	})
}
