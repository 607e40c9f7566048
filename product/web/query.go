package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitrine/product"
)

// maxLimit is the largest page.
const maxLimit = 100

// listParameters are the names that the query of GET /products may have.
var listParameters = []string{
	"user_id", "external_id", "min_price", "max_price", "product_name", "q", "image_status", "created_after", "created_before",
	"sort", "limit", "cursor", "total",
}

// parameters is a query taken apart, and everything that is wrong with it.
type parameters struct {
	values map[string]string
	faults []product.FieldError
}

// parseFilter reads the query of GET /products. The error is a *problem that names
// every bad parameter: a filter that was misspelt and ignored would show products
// that the client did not ask for.
func parseFilter(raw string) (product.Filter, error) {
	q := parseQuery(raw, listParameters)
	f := product.Filter{
		UserID: q.number("user_id"), ExternalID: q.nonempty("external_id"), MinPrice: q.price("min_price"), MaxPrice: q.price("max_price"),
		Name: q.values["product_name"], Query: q.nonempty("q"), ImageStatus: product.ImageStatus(q.nonempty("image_status")),
		CreatedAfter: q.time("created_after"), CreatedBefore: q.time("created_before"),
		Sort: product.Sort(q.nonempty("sort")), Limit: q.limit(), Cursor: q.values["cursor"],
	}
	if total := q.flag("total"); total != nil {
		f.Total = *total
	}
	if err := q.verdict(f); err != nil {
		return product.Filter{}, err
	}
	return f, nil
}

// verdict is nil, or the *problem that names every bad parameter: those that could
// not be read, and of those that could be the ones that the domain refuses.
func (q *parameters) verdict(filter interface{ Validate() error }) error {
	if len(q.faults) == 0 {
		return nil // the service validates what it is given
	}
	var invalid *product.ValidationError
	if errors.As(filter.Validate(), &invalid) {
		for _, fault := range invalid.Fields {
			q.fault(fault.Field, fault.Code, fault.Detail)
		}
	}
	return badParameters(q.faults)
}

// noParameters refuses a query where a route has none.
func noParameters(r *http.Request) error {
	q := parseQuery(r.URL.RawQuery, nil)
	if len(q.faults) == 0 {
		return nil
	}
	return badParameters(q.faults)
}

// inQuery makes what the service finds wrong with a filter a problem of the query.
func inQuery(err error) error {
	var invalid *product.ValidationError
	if errors.As(err, &invalid) {
		return badParameters(invalid.Fields)
	}
	return err
}

// parseQuery takes a query apart. [url.ParseQuery] drops what it cannot read and
// does not say which parameter that was.
func parseQuery(raw string, known []string) *parameters {
	q := &parameters{values: map[string]string{}}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if err != nil || name == "" || !printable(name) {
			q.fault("?", "malformed_parameter", "the query has a parameter whose name cannot be read")
			continue
		}
		if !slices.Contains(known, name) {
			detail := "is not a known parameter; there are " + strings.Join(known, ", ")
			if len(known) == 0 {
				detail = "is not a known parameter; there are none"
			}
			q.fault(name, "unknown_parameter", detail)
			continue
		}
		text, err := url.QueryUnescape(value)
		switch _, twice := q.values[name]; {
		case twice:
			q.fault(name, "repeated_parameter", "is given more than once")
		case err != nil:
			q.fault(name, "malformed_parameter", "is not percent-encoded correctly")
		case !printable(text):
			q.fault(name, "malformed_parameter", "must be UTF-8 without control characters")
		}
		q.values[name] = text
	}
	return q
}

// nonempty reads a text, "" where there is none.
func (q *parameters) nonempty(name string) string {
	text, ok := q.values[name]
	if ok && text == "" {
		q.fault(name, "required", "must not be empty")
	}
	return text
}

// limit reads the size of a page, 0 where there is none.
func (q *parameters) limit() int {
	text, ok := q.values["limit"]
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n < 1 || n > maxLimit {
		q.fault("limit", "invalid_limit", fmt.Sprintf("must be a whole number from 1 to %d", maxLimit))
	}
	return int(n)
}

// number reads the id of a user or product; nil stands for none.
func (q *parameters) number(name string) *int64 {
	text, ok := q.values[name]
	if !ok {
		return nil
	}
	id, valid := parseNumber(text)
	if !valid {
		q.fault(name, "invalid_id", badNumber)
	}
	return &id
}

// price reads an exact decimal, nil where there is none.
func (q *parameters) price(name string) *product.Price {
	text, ok := q.values[name]
	if !ok {
		return nil
	}
	price, fault := parsePrice(text)
	if fault != nil {
		q.fault(name, fault.Code, fault.Detail)
		return nil
	}
	return &price
}

// fault notes what is wrong with a parameter. The first fault of one stands.
func (q *parameters) fault(name, code, detail string) {
	if len(name) > maxNameInFault {
		name = name[:utf8Boundary(name, maxNameInFault)] + "..."
	}
	if len(q.faults) >= maxFaults || slices.ContainsFunc(q.faults, func(f product.FieldError) bool { return f.Field == name }) {
		return
	}
	q.faults = append(q.faults, product.FieldError{Field: name, Code: code, Detail: detail})
}

// printable reports whether text is UTF-8 without control characters.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// utf8Boundary is the last beginning of a character in text at or before n bytes.
func utf8Boundary(text string, n int) int {
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}
