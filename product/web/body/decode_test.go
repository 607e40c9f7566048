package body_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/web/body"
	"vitrine/product/web/problem"
)

const (
	ownerID = 9007199254740991
	owner   = "9007199254740991"
)

// outcome returns a short form of a decoder's error: the status, and the pointer and code of
// each fault.
func outcome(t *testing.T, err error) (status int, code string, faults map[string]string) {
	t.Helper()
	if err == nil {
		return 0, "", nil
	}
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("the error is %T (%v), not a problem", err, err)
	}
	if len(p.Errors) > 0 {
		faults = map[string]string{}
	}
	for _, f := range p.Errors {
		place := f.Parameter
		if f.Pointer != nil {
			place = *f.Pointer
		}
		faults[place] = f.Code
	}
	return p.Status, p.Code, faults
}

// newProduct returns a valid body with one member replaced or added.
func newProduct(name, value string) string {
	fields := []struct{ name, value string }{
		{"user_id", owner}, {"product_name", `"Lamp"`}, {"product_price", "12.50"},
	}
	var b strings.Builder
	replaced := false
	for i, f := range fields {
		if f.name == name {
			f.value, replaced = value, true
		}
		fmt.Fprintf(&b, `%s%q:%s`, strings.Repeat(",", min(i, 1)), f.name, f.value)
	}
	if !replaced && name != "" {
		fmt.Fprintf(&b, `,%s:%s`, name, value)
	}
	return "{" + b.String() + "}"
}

func TestDecodeNewProductRefusesWhatIsNoStrictJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, code string }{
		"nothing":               {"", "empty_body"},
		"blanks":                {" \r\n\t", "empty_body"},
		"no json":               {"hello", "malformed_json"},
		"cut off":               {`{"product_name":"a`, "malformed_json"},
		"cut off after member":  {`{"product_name":"a"`, "malformed_json"},
		"trailing comma":        {`{"product_name":"a",}`, "malformed_json"},
		"single quotes":         {`{'product_name':'a'}`, "malformed_json"},
		"comment":               {`{/**/}`, "malformed_json"},
		"NaN":                   {newProduct("product_price", "NaN"), "malformed_json"},
		"leading zero":          {newProduct("product_price", "012"), "malformed_json"},
		"plus sign":             {newProduct("product_price", "+1"), "malformed_json"},
		"raw NUL":               {newProduct("product_name", "\"a\x00b\""), "malformed_json"},
		"raw newline":           {newProduct("product_name", "\"a\nb\""), "malformed_json"},
		"byte order mark":       {"\ufeff" + newProduct("", ""), "malformed_json"},
		"unpaired surrogate":    {newProduct("product_name", `"\ud800"`), "malformed_json"},
		"invalid UTF-8":         {newProduct("product_name", "\"\xff\""), "invalid_utf8"},
		"overlong UTF-8":        {newProduct("product_name", "\"\xc0\xaf\""), "invalid_utf8"},
		"second document":       {newProduct("", "") + `{}`, "trailing_data"},
		"text after document":   {newProduct("", "") + ` x`, "trailing_data"},
		"brace after document":  {newProduct("", "") + `}`, "trailing_data"},
		"33 deep":               {newProduct(`"a"`, nested(32)), "nesting_too_deep"},
		"thousands deep":        {newProduct(`"a"`, nested(9000)), "nesting_too_deep"},
		"deeper than decodable": {newProduct(`"a"`, nested(20000)), "malformed_json"},
		"only opening brackets": {strings.Repeat("[", 100000), "malformed_json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := body.NewProduct([]byte(c.body), product.Everything())
			status, code, _ := outcome(t, err)
			if status != 400 || code != c.code {
				t.Errorf("got %d %s, want 400 %s", status, code, c.code)
			}
		})
	}
}

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestDecodeNewProductNamesEveryBadField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65)
	for name, c := range map[string]struct {
		body string
		want map[string]string
	}{
		"valid":                   {newProduct("", ""), nil},
		"null images":             {newProduct(`"product_images"`, "null"), nil},
		"null description":        {newProduct(`"product_description"`, "null"), nil},
		"32 deep":                 {newProduct(`"a"`, nested(31)), map[string]string{"/a": "unknown_field"}},
		"an array":                {`[]`, map[string]string{"": "wrong_type"}},
		"a string":                {`"a"`, map[string]string{"": "wrong_type"}},
		"null":                    {`null`, map[string]string{"": "wrong_type"}},
		"nothing in it":           {`{}`, map[string]string{"/user_id": "required", "/product_name": "required", "/product_price": "required"}},
		"nulls":                   {`{"user_id":null,"product_name":null,"product_price":null}`, map[string]string{"/user_id": "required", "/product_name": "required", "/product_price": "required"}},
		"duplicate":               {newProduct("", "")[:len(newProduct("", ""))-1] + `,"product_name":"b"}`, map[string]string{"/product_name": "duplicate_field"}},
		"duplicate in escapes":    {newProduct(`"product\u005fname"`, `"b"`), map[string]string{"/product_name": "duplicate_field"}},
		"unknown":                 {newProduct(`"colour"`, `"red"`), map[string]string{"/colour": "unknown_field"}},
		"other case":              {newProduct(`"Product_Name"`, `"b"`), map[string]string{"/Product_Name": "unknown_field"}},
		"read-only":               {newProduct(`"id"`, `"b"`), map[string]string{"/id": "unknown_field"}},
		"name to be escaped":      {newProduct(`"a/b~c"`, `1`), map[string]string{"/a~1b~0c": "unknown_field"}},
		"empty name":              {newProduct(`""`, `1`), map[string]string{"": "unknown_field"}},
		"long name":               {newProduct(`"`+long+`"`, `1`), map[string]string{"": "unknown_field"}},
		"NUL":                     {newProduct("product_name", `"a\u0000b"`), map[string]string{"/product_name": "nul_character"}},
		"NUL in an image":         {newProduct(`"product_images"`, `["\u0000"]`), map[string]string{"/product_images/0": "nul_character"}},
		"escaped backslash":       {newProduct("product_name", `"a\\u0000b"`), nil},
		"name is a number":        {newProduct("product_name", `1`), map[string]string{"/product_name": "wrong_type"}},
		"name is an object":       {newProduct("product_name", `{"a":{}}`), map[string]string{"/product_name": "wrong_type"}},
		"price is a string":       {newProduct("product_price", `"12.50"`), map[string]string{"/product_price": "wrong_type"}},
		"price with 5 decimals":   {newProduct("product_price", `0.00001`), map[string]string{"/product_price": "too_precise"}},
		"price below zero":        {newProduct("product_price", `-1`), map[string]string{"/product_price": "out_of_range"}},
		"price without end":       {newProduct("product_price", `1e999999999`), map[string]string{"/product_price": "out_of_range"}},
		"price of a thousand 9":   {newProduct("product_price", strings.Repeat("9", 1000)), map[string]string{"/product_price": "invalid"}},
		"user id is a string":     {newProduct("user_id", `"23"`), map[string]string{"/user_id": "wrong_type"}},
		"user id is zero":         {newProduct("user_id", `0`), map[string]string{"/user_id": "invalid_id"}},
		"user id is negative":     {newProduct("user_id", `-23`), map[string]string{"/user_id": "invalid_id"}},
		"user id has a fraction":  {newProduct("user_id", `23.5`), map[string]string{"/user_id": "invalid_id"}},
		"user id is 2^53":         {newProduct("user_id", `9007199254740992`), map[string]string{"/user_id": "invalid_id"}},
		"user id is huge":         {newProduct("user_id", `23e400`), map[string]string{"/user_id": "invalid_id"}},
		"null metadata":           {newProduct(`"metadata"`, "null"), nil},
		"metadata is a string":    {newProduct(`"metadata"`, `"a"`), map[string]string{"/metadata": "wrong_type"}},
		"metadata of all kinds":   {newProduct(`"metadata"`, `{"a":1,"b":null,"c":{},"d/e":[],"f":"g","f":"h"}`), map[string]string{"/metadata/a": "wrong_type", "/metadata/b": "wrong_type", "/metadata/c": "wrong_type", "/metadata/d~1e": "wrong_type", "/metadata/f": "duplicate_field"}},
		"metadata with NUL":       {newProduct(`"metadata"`, `{"a":"\u0000"}`), map[string]string{"/metadata/a": "nul_character"}},
		"metadata with long key":  {newProduct(`"metadata"`, `{"`+strings.Repeat("k", 300)+`":1}`), map[string]string{"/metadata": "wrong_type"}},
		"external id is a number": {newProduct(`"external_id"`, `7`), map[string]string{"/external_id": "wrong_type"}},
		"external id is empty":    {newProduct(`"external_id"`, `""`), map[string]string{"/external_id": "required"}},
		"null external id":        {newProduct(`"external_id"`, `null`), nil},
		"images are a string":     {newProduct(`"product_images"`, `"http://a/"`), map[string]string{"/product_images": "wrong_type"}},
		"images hold no strings":  {newProduct(`"product_images"`, `["http://a/b",5,null,{}]`), map[string]string{"/product_images/1": "wrong_type", "/product_images/2": "wrong_type", "/product_images/3": "wrong_type"}},
		"unreadable and refused": {
			`{"user_id":"5","product_name":"","product_price":-1,"product_images":[7,"ftp://a"],"x":1}`,
			map[string]string{"/user_id": "wrong_type", "/product_name": "required", "/product_price": "out_of_range", "/product_images/0": "wrong_type", "/product_images/1": "invalid_url", "/x": "unknown_field"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := body.NewProduct([]byte(c.body), product.Everything())
			status, _, faults := outcome(t, err)
			if diff := cmp.Diff(c.want, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if wantStatus := map[bool]int{false: 422}[c.want == nil]; status != wantStatus {
				t.Errorf("status %d, want %d", status, wantStatus)
			}
		})
	}
}

func TestDecodeNewProductKeepsEverything(t *testing.T) {
	t.Parallel()
	got, err := body.NewProduct([]byte(` {"product_images":["http://a/1","http://a/2"],"product_description":"l\u00e4ngs\n",`+
		`"product_price":999999999999.9999,"user_id":`+owner+`,"product_name":"\ud83d\udca1 Lamp"} `), product.Everything())
	if err != nil {
		t.Fatal(err)
	}
	if got.UserID != ownerID || got.Name != "💡 Lamp" || got.Description != "längs\n" || got.Price.String() != "999999999999.9999" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"http://a/1", "http://a/2"}, got.Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

func TestDecodeAnswersStaySmall(t *testing.T) {
	t.Parallel()
	var data strings.Builder
	data.WriteString(`{"product_name":"a"`)
	for i := range 50000 {
		fmt.Fprintf(&data, `,"f%d":1`, i)
	}
	data.WriteString("}")
	_, err := body.NewProduct([]byte(data.String()), product.Everything())
	var p *problem.Error
	if !errors.As(err, &p) || len(p.Errors) != 100 {
		t.Fatalf("got %v, want a problem with 100 errors", err)
	}
	if !strings.Contains(p.Detail, "100 of them") || p.Message != p.Detail {
		t.Errorf("the detail does not say that errors were left out: %q", p.Detail)
	}
}

func TestDecodePatchTellsAbsentFromNull(t *testing.T) {
	t.Parallel()
	price, err := product.ParsePrice("3.10")
	if err != nil {
		t.Fatal(err)
	}
	id := "L1"
	empty, name, none, some := "", "b", []string(nil), []string{"http://a/b"}
	for data, want := range map[string]product.Patch{
		`{}`:                                {},
		`{"product_name":"b"}`:              {Name: &name},
		`{"product_description":""}`:        {Description: &empty},
		`{"product_description":null}`:      {Description: &empty},
		`{"product_price":3.10}`:            {Price: &price},
		`{"product_images":null}`:           {Images: &none},
		`{"product_images":["http://a/b"]}`: {Images: &some},
		`{"external_id":"L1"}`:              {ExternalID: &id},
		`{"external_id":null}`:              {ExternalID: &empty},
		`{"metadata":null}`:                 {Metadata: &product.MetadataPatch{Clear: true}},
		`{"metadata":{}}`:                   {Metadata: &product.MetadataPatch{Keys: map[string]*string{}}},
		`{"metadata":{"a":null,"b":"b"}}`:   {Metadata: &product.MetadataPatch{Keys: map[string]*string{"a": nil, "b": &name}}},
	} {
		got, err := body.ProductPatch([]byte(data))
		if err != nil {
			t.Errorf("%s: %v", data, err)
			continue
		}
		equalPrice := cmp.Comparer(func(a, b product.Price) bool { return a.Equal(b) })
		if diff := cmp.Diff(want, got, equalPrice); diff != "" {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	}
}

func TestDecodePatchRefuses(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]map[string]string{
		`{"product_name":null}`:                                          {"/product_name": "required"},
		`{"product_price":null}`:                                         {"/product_price": "required"},
		`{"product_name":1,"product_name":2}`:                            {"/product_name": "duplicate_field"},
		`{"user_id":` + owner + `}`:                                      {"/user_id": "unknown_field"},
		`{"product_images":[null]}`:                                      {"/product_images/0": "wrong_type"},
		`{"product_price":1,"product_name":[],"product_description":{}}`: {"/product_name": "wrong_type", "/product_description": "wrong_type"},
	} {
		_, err := body.ProductPatch([]byte(data))
		if status, _, faults := outcome(t, err); status != 422 || !cmp.Equal(want, faults) {
			t.Errorf("%s: got %d %v, want 422 %v", data, status, faults, want)
		}
	}
}

func TestDecodeNewUserNeedsNothing(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{}`, `{"name":null,"email":null}`} {
		if got, err := body.NewUser([]byte(data)); err != nil || got != (account.NewUser{}) {
			t.Errorf("%s: %+v, %v", data, got, err)
		}
	}
}

func TestDecodeNewUserRefuses(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]map[string]string{
		`{"name":"","email":""}`:        {"/name": "required", "/email": "required"},
		`{"name":1,"email":"a@b"}`:      {"/name": "wrong_type"},
		`{"Name":"a","email":"a@b.de"}`: {"/Name": "unknown_field"},
		`{"name":" ","email":1}`:        {"/name": "required", "/email": "wrong_type"},
	} {
		_, err := body.NewUser([]byte(data))
		if status, _, faults := outcome(t, err); status != 422 || !cmp.Equal(want, faults) {
			t.Errorf("%s: got %d %v, want 422 %v", data, status, faults, want)
		}
	}
}

// FuzzDecode looks for a body that crashes the decoder, or that it accepts although a stricter
// decoder rejects it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", newProduct("", ""), newProduct(`"product_images"`, `["http://a/b",""]`),
		newProduct("product_price", "1e-400000000"), newProduct("product_name", `"\ud83d\ude00\u0000"`),
		`{"a":{"a":{"a":[[[{"a":1}]]]}}}`, `{"product_name":"a","product_name":"b"} {}`, "{\"\xff\":1}", nested(40),
		`{"name":"A","email":"a@example.org"}`, `{"source":"upload:uploads/a/b","alt":"","position":-0}`, `{"alt":null,"position":1e2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := body.NewProduct(data, product.Everything())
		if status, _, _ := outcome(t, err); status >= 500 {
			t.Errorf("status %d", status)
		}
		if err == nil {
			for _, text := range append([]string{p.Name, p.Description}, p.Images...) {
				if strings.ContainsRune(text, 0) || strings.ToValidUTF8(text, "") != text {
					t.Errorf("text %q came through", text)
				}
			}
		}
		_, err = body.ProductPatch(data)
		outcome(t, err)
		if n, err := body.NewImage(data); err == nil && strings.ContainsRune(n.Source, 0) {
			t.Errorf("source %q came through", n.Source)
		}
		_, err = body.ImagePatch(data)
		outcome(t, err)
		_, err = body.NewUser(data)
		outcome(t, err)
	})
}
