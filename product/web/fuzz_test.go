package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"vitrine/product/web"
	"vitrine/product/web/contract"
)

// wantDocumented checks the error of a decoder: a 4xx whose codes the tables have.
func wantDocumented(t *testing.T, err error) {
	t.Helper()
	var p *web.Problem
	if !errors.As(err, &p) {
		t.Fatalf("not a problem: %v", err)
	}
	known, ok := contract.ProblemOf(p.Code)
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

// FuzzDecodeNewProduct holds the decoder to encoding/json: what it takes is what
// that package reads, and what that package cannot read it refuses.
func FuzzDecodeNewProduct(f *testing.F) {
	for _, body := range []string{
		`{"user_id":23,"product_name":"Lamp","product_price":49.90,"product_images":["http://a.example/1"]}`,
		`{"user_id":"23","product_name":"\u00e4","product_price":1e2,"product_description":null}`,
		`{"product_name":"a","product_name":"b"}`, `{"Product_Name":"a"}`, `{"a/b~c":1}`, `{"":1}`, `{"product_price":1e999999999999}`, `{"product_price":-0}`,
		`{"product_images":[null,1,"\ud800"]}`, `{"product_name":"` + "\xff" + `"}`, `{"product_name":"\u0000"}`, "\ufeff{}", "{} {}", "", " ", "null", "[", `{"a":` + strings.Repeat("[", 40),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := web.DecodeNewProduct(body)
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
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		var whole map[string]any
		if json.Unmarshal(body, &want) != nil || json.Unmarshal(body, &whole) != nil {
			t.Fatalf("it is no JSON: %q", body)
		}
		if p.Name != want.Name || want.Description != nil && p.Description != *want.Description || !slices.Equal(p.Images, want.Images) {
			t.Errorf("%q was read as %+v", body, p)
		}
		if len(whole) > 5 {
			t.Errorf("%q has unknown fields and was taken", body)
		}
	})
}

// FuzzParseCondition: what is taken is a list that can be written again, and means
// the same then.
func FuzzParseCondition(f *testing.F) {
	for _, header := range []string{`*`, `"7"`, `W/"7"`, `"7", W/"8" ,"9"`, `, "7",,`, `"a,b", "7"`, `"07", "+7"`, `""`, `"9223372036854775808"`, "\"\xff\"", ``, `7`, `"7`, `w/"7"`, `"7" "8"`, `*, "7"`, "\t*"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		all, versions, ok := web.ParseCondition([]string{header})
		if !ok {
			if all || versions != nil {
				t.Errorf("%q is broken and means %v %v", header, all, versions)
			}
			return
		}
		again := "*"
		if !all {
			tags := make([]string, len(versions))
			for i, v := range versions {
				if v <= 0 || !strings.Contains(header, `"`+strconv.FormatInt(v, 10)+`"`) {
					t.Errorf("%q has no version %d", header, v)
				}
				tags[i] = web.ETag(v)
			}
			again = strings.Join(tags, ", ")
		}
		gotAll, got, ok := web.ParseCondition([]string{again})
		if !ok || gotAll != all || !slices.Equal(got, versions) {
			t.Errorf("%q is %q, which means %v %v", header, again, gotAll, got)
		}
	})
}

// FuzzIdempotencyKey: a key is visible ASCII, and bare and quoted it is the same.
func FuzzIdempotencyKey(f *testing.F) {
	for _, header := range []string{"a", `"a"`, `"a\"b\\c"`, `"a`, `"`, `""`, "", " ", "ä", "\x00", `a"b`, `"a" `, strings.Repeat("k", 255), strings.Repeat("k", 256), `"\x"`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := web.IdempotencyKey(http.Header{"Idempotency-Key": {header}})
		if err != nil {
			var p *web.Problem
			if !errors.As(err, &p) || p.Code != "invalid_idempotency_key" {
				t.Errorf("%q: %v", header, err)
			}
			return
		}
		if key == "" || len(key) > 255 || strings.Trim(key, "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
			t.Errorf("%q gives the key %q", header, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := web.IdempotencyKey(http.Header{"Idempotency-Key": {quoted}}); err != nil || again != key {
			t.Errorf("%q is %q, and quoted %q, %v", header, key, again, err)
		}
	})
}

// FuzzContentType: a body is taken as JSON only where the header says so and
// nothing else.
func FuzzContentType(f *testing.F) {
	for _, header := range []string{"application/json", "Application/JSON; charset=UTF-8", `application/json;charset="utf-8"`, "application/json; charset=latin1", "application/json;", "application/json; a", "application/json, text/plain", "text/plain", "", ";", "application/jsonx", "\xff"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if !web.IsJSON(http.Header{"Content-Type": {header}}) {
			return
		}
		mediaType, _, _ := strings.Cut(header, ";")
		if !strings.EqualFold(strings.Trim(mediaType, " \t\r\n\v\f\u0085\u00a0"), "application/json") {
			t.Errorf("%q is taken for JSON", header)
		}
	})
}
