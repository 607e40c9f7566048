package product_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/product"
)

func TestMetadataRules(t *testing.T) {
	t.Parallel()
	many := product.Metadata{}
	for i := range 51 {
		many[fmt.Sprint(i)] = ""
	}
	for name, c := range map[string]struct {
		metadata product.Metadata
		field    string
		code     string
	}{
		"fits":             {product.Metadata{strings.Repeat("ä", 64): strings.Repeat("ö", 500), "line": "a\nb\t"}, "", ""},
		"too many":         {many, "metadata", "too_many"},
		"empty key":        {product.Metadata{"": "a"}, "metadata", "invalid_key"},
		"long key":         {product.Metadata{strings.Repeat("k", 65): "a"}, "metadata", "invalid_key"},
		"key of two lines": {product.Metadata{"a\nb": "a"}, "metadata", "invalid_key"},
		"long value":       {product.Metadata{"a/b~c": strings.Repeat("v", 501)}, "metadata/a~1b~0c", "too_long"},
		"control in value": {product.Metadata{"a": "\x01"}, "metadata/a", "invalid_characters"},
	} {
		err := product.NewProduct{UserID: 1, Name: "a", Metadata: c.metadata}.Validate()
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if f := testenv.WantFields(t, err, c.field); f[0].Code != c.code {
			t.Errorf("%s: %s, want %s", name, f[0].Code, c.code)
		}
	}
	for id, fits := range map[string]bool{"": true, "x": true, strings.Repeat("ä", 128): true, strings.Repeat("a", 129): false, " ": false, "a\nb": false} {
		err := product.NewProduct{UserID: 1, Name: "a", ExternalID: id}.Validate()
		if fits != (err == nil) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestPatchesCannotExceedTheLimitOfMetadata(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	patch := func(from, to int) error {
		p := product.MetadataPatch{Keys: map[string]*string{}}
		for i := from; i < to; i++ {
			p.Keys[fmt.Sprint(i)] = new(fmt.Sprint(i))
		}
		_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Metadata: &p}, product.Precondition{})
		return err
	}
	if err := patch(0, 30); err != nil {
		t.Fatal(err)
	}
	if code := testenv.WantFields(t, patch(29, 51), "metadata")[0].Code; code != "too_many" {
		t.Errorf("code %s, want too_many", code)
	}
	if err := patch(29, 50); err != nil {
		t.Fatal(err)
	}
	if v := c.Product(w.ID).Version; v != 3 {
		t.Errorf("version %d, want 3", v)
	}
}

func TestMetadataPatch(t *testing.T) {
	t.Parallel()
	before := product.Metadata{"a": "1", "b": "2"}
	for name, c := range map[string]struct {
		patch product.MetadataPatch
		want  product.Metadata
	}{
		"nothing":   {product.MetadataPatch{}, before},
		"set":       {product.MetadataPatch{Keys: map[string]*string{"b": new("3"), "c": new("")}}, product.Metadata{"a": "1", "b": "3", "c": ""}},
		"remove":    {product.MetadataPatch{Keys: map[string]*string{"a": nil, "x": nil}}, product.Metadata{"b": "2"}},
		"clear":     {product.MetadataPatch{Clear: true}, product.Metadata{}},
		"clear set": {product.MetadataPatch{Clear: true, Keys: map[string]*string{"a": new("9")}}, product.Metadata{"a": "9"}},
	} {
		if diff := cmp.Diff(c.want, c.patch.Apply(before)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(product.Metadata{"a": "1", "b": "2"}, before); diff != "" {
		t.Errorf("Apply changed its argument:\n%s", diff)
	}
}
