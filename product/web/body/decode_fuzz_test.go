package body_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vitrine/product"
	"vitrine/product/web/body"
	"vitrine/product/web/contract"
	"vitrine/product/web/problem"
)

// wantDocumented checks that the error of a decoder is a 4xx with documented codes.
func wantDocumented(t *testing.T, err error) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("not a problem: %v", err)
	}
	known, ok := problem.KindOf(p.Code)
	if !ok || known.Status != p.Status || p.Status >= 500 {
		t.Errorf("%d %s is not in the table", p.Status, p.Code)
	}
	if len(p.Errors) > 100 {
		t.Errorf("%d errors", len(p.Errors))
	}
	for _, f := range p.Errors {
		if !slices.ContainsFunc(contract.Faults, func(c contract.Code) bool { return c.Code == f.Code }) {
			t.Errorf("fault %s is not in the table", f.Code)
		}
		if f.Pointer == nil || !utf8.ValidString(*f.Pointer) || len(*f.Pointer) > 200 {
			t.Errorf("fault %s points at %v", f.Code, f.Pointer)
		}
	}
}

// FuzzDecodeNewProduct compares the decoder with encoding/json. It accepts only bodies that
// encoding/json accepts, and decodes them to the same values.
func FuzzDecodeNewProduct(f *testing.F) {
	for _, data := range []string{
		`{"user_id":23,"product_name":"Lamp","product_price":49.90,"product_images":["http://a.example/1"]}`,
		`{"user_id":"23","product_name":"\u00e4","product_price":1e2,"product_description":null}`,
		`{"product_name":"a","product_name":"b"}`, `{"Product_Name":"a"}`, `{"a/b~c":1}`, `{"":1}`, `{"product_price":1e999999999999}`, `{"product_price":-0}`,
		`{"product_images":[null,1,"\ud800"]}`, `{"product_name":"` + "\xff" + `"}`, `{"product_name":"\u0000"}`, "\ufeff{}", "{} {}", "", " ", "null", "[", `{"a":` + strings.Repeat("[", 40),
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := body.NewProduct(data, product.Everything())
		if err != nil {
			wantDocumented(t, err)
			return
		}
		var want struct {
			Name        string      `json:"product_name"`
			Description *string     `json:"product_description"`
			Price       json.Number `json:"product_price"`
			Images      []string    `json:"product_images"`
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		var whole map[string]any
		if json.Unmarshal(data, &want) != nil || json.Unmarshal(data, &whole) != nil {
			t.Fatalf("it is no JSON: %q", data)
		}
		if p.Name != want.Name || want.Description != nil && p.Description != *want.Description || !slices.Equal(p.Images, want.Images) {
			t.Errorf("%q was read as %+v", data, p)
		}
		if len(whole) > 5 {
			t.Errorf("%q has unknown fields and was taken", data)
		}
	})
}

// FuzzContentType checks that a body is accepted as JSON only if the header says exactly that.
func FuzzContentType(f *testing.F) {
	for _, header := range []string{"application/json", "Application/JSON; charset=UTF-8", `application/json;charset="utf-8"`, "application/json; charset=latin1", "application/json;", "application/json; a", "application/json, text/plain", "text/plain", "", ";", "application/jsonx", "\xff"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if !body.HasType(http.Header{"Content-Type": {header}}, body.JSON) {
			return
		}
		mediaType, _, _ := strings.Cut(header, ";")
		if !strings.EqualFold(strings.Trim(mediaType, " \t\r\n\v\f\u0085\u00a0"), "application/json") {
			t.Errorf("%q is taken for JSON", header)
		}
	})
}
