// Package problem holds the error answers of the API (application/problem+json,
// RFC 9457): their type, the table of every code they can have, and the collector
// of field errors.
//
// Handlers and the packages beside this one return an [*Error] like any other
// error; package web writes it as the answer. Of the project, this package imports
// package product only. Begin reading with [Error] and [Kinds].
package problem

import (
	"net/http"

	"vitrine/product"
)

// Path is where the pages of the problems are. A problem's type (RFC 9457, section
// 3.1.1) is this and its code: a reference that resolves, and that stays the same
// under every host and prefix.
const Path = "/docs/problems/"

// Error is an error answer.
type Error struct {
	Type      string  `json:"type"` // a reference to the page about Code
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
	Message   string  `json:"message"` // Detail again, for clients of the original system
	Errors    []Fault `json:"errors,omitempty"`

	// Header is added to the answer's header.
	Header http.Header `json:"-"`
	// Cause is for the log alone.
	Cause error `json:"-"`
	// Shed names the limit that turned the request away under load; "" where none did.
	Shed string `json:"-"`
}

// Fault is one thing that is wrong with a request, and its place: a JSON pointer
// into the body (RFC 6901; "" is the whole body), a query parameter or a header.
type Fault struct {
	Pointer   *string `json:"pointer,omitempty"`
	Parameter string  `json:"parameter,omitempty"`
	Header    string  `json:"header,omitempty"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail"`
}

// New returns the problem with a code of [Kinds], which decides its status and title.
func New(code, detail string) *Error {
	kind, _ := KindOf(code) // a test finds codes that the table does not have
	return &Error{
		Type: Path + code, Title: kind.Title, Status: kind.Status, Detail: detail, Code: code, Message: detail,
	}
}

// OfHeader returns the problem that one of the request's headers causes.
func OfHeader(name, code, detail string) *Error {
	p := New(code, "the header "+name+" "+detail)
	p.Errors = []Fault{{Header: name, Code: code, Detail: detail}}
	return p
}

// Retry returns a problem after which the client may repeat the request at once.
func Retry(code, detail string) *Error { return New(code, detail).With("Retry-After", "1") }

// Taken returns the 409 for a field of the body whose value has to be unique.
func Taken(field, detail string) *Error {
	p := New("conflict", detail)
	pointer := "/" + field
	p.Errors = []Fault{{Pointer: &pointer, Code: "taken", Detail: detail}}
	return p
}

// BadFields returns the 422 for a well-formed body with invalid fields (RFC 9110,
// section 15.5.21); a body that cannot be parsed is a 400.
func BadFields(fields []product.FieldError) *Error {
	p := New("validation_failed", "the body has invalid fields; see errors")
	for _, f := range fields {
		pointer := ""
		if f.Field != "" {
			pointer = "/" + f.Field
		}
		p.Errors = append(p.Errors, Fault{Pointer: &pointer, Code: f.Code, Detail: f.Detail})
	}
	return p
}

// BadParameters returns the 400 for a query with invalid parameters.
func BadParameters(fields []product.FieldError) *Error {
	p := New("invalid_parameters", "the query has invalid parameters; see errors")
	for _, f := range fields {
		p.Errors = append(p.Errors, Fault{Parameter: f.Field, Code: f.Code, Detail: f.Detail})
	}
	return p
}

// Error implements the error interface.
func (p *Error) Error() string { return p.Code + ": " + p.Detail }

// Unwrap returns the cause.
func (p *Error) Unwrap() error { return p.Cause }

// With sets a header of the answer and returns p.
func (p *Error) With(key, value string) *Error {
	if p.Header == nil {
		p.Header = http.Header{}
	}
	p.Header.Set(key, value)
	return p
}

// Say replaces the detail.
func (p *Error) Say(detail string) {
	p.Detail, p.Message = detail, detail
}
