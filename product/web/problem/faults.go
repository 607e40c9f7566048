package problem

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"vitrine/product"
)

const (
	// maxFaults bounds the errors of one answer: a body of one MiB can hold more
	// than a hundred thousand unknown fields.
	maxFaults = 100
	// MaxName is the longest unknown name, in bytes, that an answer repeats.
	MaxName = 64
)

// Faults collects everything that is wrong with a body or a query, so that one
// answer names it all. The zero value has none.
type Faults struct {
	fields  []product.FieldError
	dropped int // beyond maxFaults
}

// Fault adds what is wrong with a field or parameter. Only the first fault of a
// name is kept.
func (f *Faults) Fault(name, code, detail string) {
	if name != "" && slices.ContainsFunc(f.fields, func(e product.FieldError) bool { return e.Field == name }) {
		return
	}
	if len(f.fields) >= maxFaults {
		f.dropped++
		return
	}
	f.fields = append(f.fields, product.FieldError{Field: name, Code: code, Detail: detail})
}

// Invalid adds what the domain finds wrong with the decoded input. Of a field that
// could not be decoded the domain sees a zero value; that field has a fault already.
func (f *Faults) Invalid(input interface{ Validate() error }) {
	var invalid *product.ValidationError
	if errors.As(input.Validate(), &invalid) {
		for _, e := range invalid.Fields {
			f.Fault(e.Field, e.Code, e.Detail)
		}
	}
}

// Any reports whether there are faults.
func (f *Faults) Any() bool { return len(f.fields) > 0 }

// All returns the faults.
func (f *Faults) All() []product.FieldError { return f.fields }

// Body returns the problem of a body with these faults, nil without any.
func (f *Faults) Body() error {
	if !f.Any() {
		return nil
	}
	p := BadFields(f.fields)
	if f.dropped > 0 {
		p.Say(fmt.Sprintf("the body has invalid fields; errors has the first %d of them and omits %d", len(f.fields), f.dropped))
	}
	return p
}

// Query returns the problem of a query with these faults, nil without any.
func (f *Faults) Query() error {
	if !f.Any() {
		return nil
	}
	return BadParameters(f.fields)
}

// Truncate shortens text to at most limit bytes, at the start of a character, and marks
// the cut.
func Truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "..."
}
