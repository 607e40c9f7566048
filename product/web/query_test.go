package web_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product/web"
)

func TestParseFilterNamesEveryBadParameter(t *testing.T) {
	t.Parallel()
	// What cannot be read and what the domain refuses stand in one answer.
	both := "min_price=2&max_price=1&cursor=%21&limit=0&product_name=" + strings.Repeat("a", 201)
	long := strings.Repeat("ü", 40)
	for raw, want := range map[string]map[string]string{
		both:                            {"max_price": "out_of_range", "cursor": "invalid", "limit": "invalid_limit", "product_name": "too_long"},
		"":                              nil,
		"&&":                            nil,
		"product_name=":                 nil,
		"product_name=a;b":              nil,
		"product_name=100%25":           nil,
		"limit=1&cursor=abc":            nil,
		"limit=100&min_price=0.5":       nil,
		"user_id=" + owner:              nil,
		"limit=0":                       {"limit": "invalid_limit"},
		"limit=101":                     {"limit": "invalid_limit"},
		"limit=-1":                      {"limit": "invalid_limit"},
		"limit=":                        {"limit": "invalid_limit"},
		"limit":                         {"limit": "invalid_limit"},
		"limit=1e1":                     {"limit": "invalid_limit"},
		"limit=99999999999999999999999": {"limit": "invalid_limit"},
		"limit=1&limit=1":               {"limit": "repeated_parameter"},
		"user_id=7":                     {"user_id": "invalid_uuid"},
		"user_id=":                      {"user_id": "invalid_uuid"},
		"min_price=a&max_price=-1":      {"min_price": "invalid", "max_price": "out_of_range"},
		"min_price=0x10":                {"min_price": "invalid"},
		"min_price=1e999999999":         {"min_price": "out_of_range"},
		"min_price=+1":                  {"min_price": "invalid"}, // a plus is a blank
		"Limit=1&Q=x":                   {"Limit": "unknown_parameter", "Q": "unknown_parameter"},
		"=1":                            {"": "unknown_parameter"},
		"product_name=%zz":              {"product_name": "malformed_parameter"},
		"product_name=%":                {"product_name": "malformed_parameter"},
		"product_name=%00":              {"product_name": "malformed_parameter"},
		"product_name=%ff":              {"product_name": "malformed_parameter"},
		"product_name=\xff":             {"product_name": "malformed_parameter"},
		"product_name=a%0ab":            {"product_name": "malformed_parameter"},
		"%ff=1":                         {"?": "malformed_parameter"},
		"%zz=1&limit=x":                 {"?": "malformed_parameter", "limit": "invalid_limit"},
		long + "=1":                     {strings.Repeat("ü", 32) + "...": "unknown_parameter"},
	} {
		_, err := web.ParseFilter(raw)
		status, _, faults := outcome(t, err)
		if diff := cmp.Diff(want, faults); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
		if err != nil && status != 400 {
			t.Errorf("%q: status %d, want 400", raw, status)
		}
	}
}

func TestParseFilterReadsEveryParameter(t *testing.T) {
	t.Parallel()
	f, err := web.ParseFilter("user_id=" + owner + "&min_price=1.50&max_price=2e1&product_name=a+b%26c&limit=7&cursor=x%3D")
	if err != nil {
		t.Fatal(err)
	}
	if f.UserID == nil || f.UserID.String() != owner || f.MinPrice.String() != "1.50" || f.MaxPrice.String() != "20" ||
		f.Name != "a b&c" || f.Limit != 7 || f.Cursor != "x=" {
		t.Errorf("got %+v", f)
	}
	alone, err := web.ParseFilter("max_price=3")
	if err != nil || alone.UserID != nil || alone.MinPrice != nil || alone.MaxPrice.String() != "3" || alone.Limit != 0 {
		t.Errorf("max_price alone: got %+v, %v", alone, err)
	}
}
