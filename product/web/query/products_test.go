package query_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"vitrine/product"
	"vitrine/product/web/problem"
	"vitrine/product/web/query"
)

const (
	ownerID = 9007199254740991
	owner   = "9007199254740991"
)

// refusal is the status and code of a problem, and the code of each parameter.
func refusal(t *testing.T, err error) (status int, code string, faults map[string]string) {
	t.Helper()
	if err == nil {
		return 0, "", nil
	}
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("the error is %T (%v), not a problem", err, err)
	}
	faults = map[string]string{}
	for _, f := range p.Errors {
		faults[f.Parameter] = f.Code
	}
	return p.Status, p.Code, faults
}

func TestParseFilterNamesEveryBadParameter(t *testing.T) {
	t.Parallel()
	// One response has the errors of parsing and those of the domain.
	both := "min_price=2&max_price=1&cursor=%21&limit=0&product_name=" + strings.Repeat("a", 201)
	all := "limit=0&q=" + strings.Repeat("q", 201) + "&image_status=processing&sort=created_at,product_name&cursor=x"
	long := strings.Repeat("ü", 40)
	for raw, want := range map[string]map[string]string{
		both:                            {"max_price": "out_of_range", "cursor": "invalid", "limit": "invalid_limit", "product_name": "too_long"},
		all:                             {"limit": "invalid_limit", "q": "too_long", "image_status": "invalid", "sort": "invalid", "cursor": "invalid"},
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
		"user_id=0192f5a4-7c1e-7cc3-8a5b-0123456789ab": {"user_id": "invalid_id"},
		"user_id=0":                {"user_id": "invalid_id"},
		"user_id=-1":               {"user_id": "invalid_id"},
		"user_id=%2B1":             {"user_id": "invalid_id"},
		"user_id=01":               {"user_id": "invalid_id"},
		"user_id=1.0":              {"user_id": "invalid_id"},
		"user_id=9007199254740992": {"user_id": "invalid_id"},
		"external_id=":             {"external_id": "required"},
		"user_id=":                 {"user_id": "invalid_id"},
		"min_price=a&max_price=-1": {"min_price": "invalid", "max_price": "out_of_range"},
		"min_price=0x10":           {"min_price": "invalid"},
		"min_price=1e999999999":    {"min_price": "out_of_range"},
		"min_price=+1":             {"min_price": "invalid"}, // a plus means a blank
		"Limit=1&Q=x":              {"Limit": "unknown_parameter", "Q": "unknown_parameter"},
		"=1":                       {"?": "malformed_parameter"},
		"q=":                       {"q": "required"},
		"q=+":                      nil, // the database decides what a word is
		"image_status=":            {"image_status": "required"},
		"created_after=2026-01-31": {"created_after": "invalid_time"},
		"created_before=2026-01-31T12:00:00+01:00":                                           {"created_before": "invalid_time"}, // a plus means a blank
		"created_before=2026-01-31T12:00:00%2B01:00":                                         nil,
		"created_after=2026-01-31T12:00:00Z&created_before=2026-01-31T12:00:00Z&total=maybe": {"created_before": "out_of_range", "total": "invalid_boolean"},
		"sort=":                     {"sort": "required"},
		"sort=-product_name&sort=x": {"sort": "repeated_parameter"},
		"total=1":                   {"total": "invalid_boolean"},
		"total=false":               nil,
		"product_name=%zz":          {"product_name": "malformed_parameter"},
		"product_name=%":            {"product_name": "malformed_parameter"},
		"product_name=%00":          {"product_name": "malformed_parameter"},
		"product_name=%ff":          {"product_name": "malformed_parameter"},
		"product_name=\xff":         {"product_name": "malformed_parameter"},
		"product_name=a%0ab":        {"product_name": "malformed_parameter"},
		"%ff=1":                     {"?": "malformed_parameter"},
		"%zz=1&limit=x":             {"?": "malformed_parameter", "limit": "invalid_limit"},
		long + "=1":                 {strings.Repeat("ü", 32) + "...": "unknown_parameter"},
	} {
		_, err := query.Products(raw)
		status, _, faults := refusal(t, err)
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
	f, err := query.Products("user_id=" + owner + "&external_id=a+1&min_price=1.50&max_price=2e1&product_name=a+b%26c&q=%22a+b%22&image_status=failed" +
		"&created_after=2026-01-31T12:00:00Z&created_before=2026-01-31T13:00:00.5Z&sort=-updated_at&limit=7&cursor=x%3D&total=true")
	if err != nil {
		t.Fatal(err)
	}
	if f.UserID == nil || *f.UserID != ownerID || f.ExternalID != "a 1" || f.MinPrice.String() != "1.50" || f.MaxPrice.String() != "20" ||
		f.Name != "a b&c" || f.Query != `"a b"` || f.ImageStatus != product.ImagesFailed || f.CreatedAfter.Unix() != 1769860800 ||
		f.CreatedBefore.UnixMilli() != 1769864400500 || f.Sort != "-updated_at" || f.Limit != 7 || f.Cursor != "x=" || !f.Total {
		t.Errorf("got %+v", f)
	}
	alone, err := query.Products("max_price=3")
	if err != nil || alone.UserID != nil || alone.MinPrice != nil || alone.MaxPrice.String() != "3" || alone.Limit != 0 {
		t.Errorf("max_price alone: got %+v, %v", alone, err)
	}
}

// FuzzParseFilter checks that every query is either parsed or rejected with a 400 that names the
// parameters, and that a parsed filter is valid or rejected by the domain.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"", "&&", "user_id=" + owner, "external_id=a-1", "min_price=1.50&max_price=2e1", "product_name=a+b%26c", "q=%22a+b%22+-c", "image_status=failed",
		"created_after=2026-01-31T12:00:00Z&created_before=9999-12-31T23:59:59.999999999Z", "sort=-updated_at&limit=7&total=true", "cursor=x%3D",
		"limit=0&limit=1", "%zz=1", "=1", "q=%00", "product_name=\xff", "min_price=1e999999999", "sort=-", "total", "a;b=c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		filter, err := query.Products(raw)
		if err == nil {
			var invalid *product.ValidationError
			if err := filter.Validate(); err != nil && !errors.As(err, &invalid) {
				t.Errorf("%q: %v", raw, err)
			}
			if filter.Limit < 0 || filter.Limit > 100 {
				t.Errorf("%q: limit %d", raw, filter.Limit)
			}
			return
		}
		status, code, faults := refusal(t, err)
		if status != 400 || code != "invalid_parameters" || len(faults) == 0 {
			t.Errorf("%q: %d %s %v", raw, status, code, faults)
		}
		for name := range faults {
			if !utf8.ValidString(name) {
				t.Errorf("%q names %q", raw, name)
			}
		}
	})
}
