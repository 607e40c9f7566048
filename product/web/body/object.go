package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"vitrine/product"
	"vitrine/product/web/problem"
)

const (
	// maxDepth is how deep arrays and objects may nest in a body.
	maxDepth = 32
	// maxKey is the longest key of an object of strings, in bytes, that an answer
	// repeats.
	maxKey = 256
)

// object is a JSON object whose known members are not yet typed, with everything that
// is wrong with it. Its methods type one member each and add a fault for what does not
// fit, so that one answer can name every bad field.
type object struct {
	members map[string]jsontext.Value
	problem.Faults
}

// parseObject parses a body. It is stricter than RFC 8259: duplicate and unknown names
// (also in another case) and strings with NUL are faults of the object; invalid UTF-8,
// unpaired surrogates, a second document and deep nesting are a problem of the whole
// body, because what follows them cannot be trusted.
func parseObject(body []byte, known ...string) (*object, error) {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil, problem.New("empty_body", "the body is empty; send a JSON object")
	}
	if !utf8.Valid(body) {
		return nil, problem.New("invalid_utf8", "the body is not valid UTF-8")
	}
	// Duplicates are allowed here and found below, so that all of them are named.
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	o := &object{members: make(map[string]jsontext.Value, len(known))}
	if dec.PeekKind() != '{' {
		return nil, notAnObject(dec)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, malformed(err)
	}
	for dec.PeekKind() != '}' {
		if err := o.read(dec, known); err != nil {
			return nil, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, malformed(err)
	}
	return o, trailing(dec)
}

// notAnObject returns the problem of a body that is not an object.
func notAnObject(dec *jsontext.Decoder) error {
	if _, err := dec.ReadValue(); err != nil {
		return malformed(err)
	}
	if err := trailing(dec); err != nil {
		return err
	}
	return problem.BadFields([]product.FieldError{{Code: "wrong_type", Detail: "the body must be a JSON object"}})
}

// read reads the next member from dec.
func (o *object) read(dec *jsontext.Decoder, known []string) error {
	token, err := dec.ReadToken()
	if err != nil {
		return malformed(err)
	}
	name := token.String() // before the next read, which invalidates the token
	value, err := dec.ReadValue()
	if err != nil {
		return malformed(err)
	}
	if deeper(value, maxDepth-1) {
		return problem.New("nesting_too_deep", fmt.Sprintf("arrays and objects must not be nested more than %d levels deep", maxDepth))
	}
	if !slices.Contains(known, name) {
		o.unknown(name, known)
		return nil
	}
	if _, twice := o.members[name]; twice {
		o.Fault(name, "duplicate_field", "must not be repeated")
		return nil
	}
	o.members[name] = value.Clone()
	return nil
}

// unknown adds a fault for a name that the object does not have.
func (o *object) unknown(name string, known []string) {
	if name == "" || len(name) > problem.MaxName { // no pointer that would help
		o.Fault("", "unknown_field", fmt.Sprintf("a field has an unknown name of %d bytes", len(name)))
		return
	}
	field := product.PointerToken(name)
	for _, k := range known {
		if strings.EqualFold(k, name) {
			o.Fault(field, "unknown_field", "is not a known field: names are case-sensitive, use "+k)
			return
		}
	}
	o.Fault(field, "unknown_field", "is not a known field")
}

// deeper reports whether value nests more than limit deep.
func deeper(value jsontext.Value, limit int) bool {
	if k := value.Kind(); k != '{' && k != '[' {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	for {
		if _, err := dec.ReadToken(); err != nil {
			return false // the end: the value is known to be valid
		}
		if dec.StackDepth() > limit {
			return true
		}
	}
}

// trailing returns a problem if anything follows the one document.
func trailing(dec *jsontext.Decoder) error {
	switch _, err := dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	default:
		return problem.New("trailing_data", "the body must be one JSON document with nothing after it")
	}
}

// malformed returns the problem of a body that is not JSON, with the place of the error.
func malformed(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return problem.New("malformed_json", fmt.Sprintf("the body is not valid JSON at byte %d", syntax.ByteOffset))
	}
	return problem.New("malformed_json", "the body is not valid JSON")
}

// verdict returns nil, or the problem that names every bad field: those that could not
// be decoded, and those that the domain refuses.
func (o *object) verdict(input interface{ Validate() error }) error {
	if o.Any() { // else the service validates
		o.Invalid(input)
	}
	return o.Body()
}
