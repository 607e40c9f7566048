// Package query reads the query parameters of requests, and names every bad one in one
// problem.
//
// Of the project, it imports the product packages and the packages body and problem
// beside it. Begin with [Products] and [Parse].
package query

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vitrine/product"
	"vitrine/product/web/body"
	"vitrine/product/web/problem"
)

// maxLimit is the largest page.
const maxLimit = 100

// ProductNames are the parameters of GET /products.
var ProductNames = []string{
	"user_id", "external_id", "min_price", "max_price", "product_name", "q", "image_status", "created_after", "created_before",
	"sort", "limit", "cursor", "total",
}

// Parameters is a parsed query with everything that is wrong with it.
type Parameters struct {
	Values map[string]string
	problem.Faults
}

// Products reads the query of GET /products. The error is a problem that names every
// bad parameter: ignoring a misspelt filter would return products that the client did
// not ask for.
func Products(raw string) (product.Filter, error) {
	q := Parse(raw, ProductNames)
	f := product.Filter{
		UserID: q.Number("user_id"), ExternalID: q.nonempty("external_id"), MinPrice: q.price("min_price"), MaxPrice: q.price("max_price"),
		Name: q.Values["product_name"], Query: q.nonempty("q"), ImageStatus: product.ImageStatus(q.nonempty("image_status")),
		CreatedAfter: q.Time("created_after"), CreatedBefore: q.Time("created_before"),
		Sort: product.Sort(q.nonempty("sort")), Limit: q.Limit(), Cursor: q.Values["cursor"],
	}
	if total := q.Flag("total"); total != nil {
		f.Total = *total
	}
	if err := q.Verdict(f); err != nil {
		return product.Filter{}, err
	}
	return f, nil
}

// Verdict returns nil, or the problem that names every bad parameter: those that could
// not be read, and those that the domain refuses.
func (q *Parameters) Verdict(filter interface{ Validate() error }) error {
	if q.Any() { // else the service validates
		q.Invalid(filter)
	}
	return q.Query()
}

// None returns a problem if the request has query parameters.
func None(r *http.Request) error {
	return Parse(r.URL.RawQuery, nil).Query()
}

// Error returns err, as a problem of the query if it is a validation error.
func Error(err error) error {
	var invalid *product.ValidationError
	if errors.As(err, &invalid) {
		return problem.BadParameters(invalid.Fields)
	}
	return err
}

// Parse parses a query. Unlike [url.ParseQuery], it names the parameters that it
// cannot read.
func Parse(raw string, known []string) *Parameters {
	q := &Parameters{Values: map[string]string{}}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if err != nil || name == "" || !printable(name) {
			q.Fault("?", "malformed_parameter", "the name of a parameter is malformed")
			continue
		}
		if !slices.Contains(known, name) {
			detail := "is not a known parameter; use " + strings.Join(known, ", ")
			if len(known) == 0 {
				detail = "is not a known parameter; this route takes none"
			}
			q.Fault(name, "unknown_parameter", detail)
			continue
		}
		text, err := url.QueryUnescape(value)
		switch _, twice := q.Values[name]; {
		case twice:
			q.Fault(name, "repeated_parameter", "must not be repeated")
		case err != nil:
			q.Fault(name, "malformed_parameter", "must be percent-encoded")
		case !printable(text):
			q.Fault(name, "malformed_parameter", "must be UTF-8 without control characters")
		}
		q.Values[name] = text
	}
	return q
}

// nonempty returns a text that must not be empty, "" if it is absent.
func (q *Parameters) nonempty(name string) string {
	text, ok := q.Values[name]
	if ok && text == "" {
		q.Fault(name, "required", "must not be empty")
	}
	return text
}

// Limit returns the size of a page, 0 if it is absent.
func (q *Parameters) Limit() int {
	text, ok := q.Values["limit"]
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n < 1 || n > maxLimit {
		q.Fault("limit", "invalid_limit", fmt.Sprintf("must be a whole number from 1 to %d", maxLimit))
	}
	return int(n)
}

// Number returns the id of a user or product, nil if it is absent.
func (q *Parameters) Number(name string) *int64 {
	text, ok := q.Values[name]
	if !ok {
		return nil
	}
	id, valid := body.ParseNumber(text)
	if !valid {
		q.Fault(name, "invalid_id", body.BadNumber)
	}
	return &id
}

// price returns an exact decimal, nil if it is absent.
func (q *Parameters) price(name string) *product.Price {
	text, ok := q.Values[name]
	if !ok {
		return nil
	}
	price, fault := body.ParsePrice(text)
	if fault != nil {
		q.Fault(name, fault.Code, fault.Detail)
		return nil
	}
	return &price
}

// Text returns a parameter's value, nil if it is absent.
func (q *Parameters) Text(name string) *string {
	text, ok := q.Values[name]
	if !ok {
		return nil
	}
	return &text
}

// Flag returns true or false, nil if it is absent.
func (q *Parameters) Flag(name string) *bool {
	text, ok := q.Values[name]
	if !ok {
		return nil
	}
	value := text == strconv.FormatBool(true)
	if !value && text != strconv.FormatBool(false) {
		q.Fault(name, "invalid_boolean", "must be true or false")
	}
	return &value
}

// Time returns a time, nil if it is absent.
func (q *Parameters) Time(name string) *time.Time {
	text, ok := q.Values[name]
	if !ok {
		return nil
	}
	t, valid := body.ParseTime(text)
	if !valid {
		q.Fault(name, "invalid_time", "must be an RFC 3339 time such as 2026-01-31T12:00:00Z; encode + as %2B")
		return nil
	}
	return &t
}

// Fault adds what is wrong with a parameter, whose name it truncates.
func (q *Parameters) Fault(name, code, detail string) {
	q.Faults.Fault(problem.Truncate(name, problem.MaxName), code, detail)
}

// printable reports whether text is UTF-8 without control characters.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f })
}
