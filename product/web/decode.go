package web

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
)

const (
	// maxDepth is how deep arrays and objects may nest in a body.
	maxDepth = 32
	// maxFaults bounds the errors of one answer: a body of one MiB can hold
	// more than a hundred thousand unknown fields.
	maxFaults = 100
	// maxNameInFault is the longest unknown name, in bytes, that an answer repeats,
	// and maxKeyInFault the longest key of an object of strings.
	maxNameInFault = 64
	maxKeyInFault  = 256
)

// object is a JSON object taken apart: its known members, not yet typed, and
// everything that is wrong with it. Its methods type one member each and note
// what does not fit, so that one answer can name every bad field.
type object struct {
	members map[string]jsontext.Value
	faults  []product.FieldError
	dropped int // faults beyond maxFaults
}

// parseObject takes a body apart. It is stricter than RFC 8259, which leaves the
// following open: duplicate and unknown names (other-case ones too), and strings
// with NUL, are faults of the object; invalid UTF-8, unpaired surrogates, a second
// document and deep nesting are a *problem of the whole body, because what comes
// after them cannot be trusted.
func parseObject(body []byte, known ...string) (*object, error) {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil, badRequest("empty_body", "the body is empty; a JSON object is expected")
	}
	if !utf8.Valid(body) {
		return nil, badRequest("invalid_utf8", "the body is not valid UTF-8")
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

// notAnObject refuses a document of another type, or what is none.
func notAnObject(dec *jsontext.Decoder) error {
	if _, err := dec.ReadValue(); err != nil {
		return malformed(err)
	}
	if err := trailing(dec); err != nil {
		return err
	}
	return badFields([]product.FieldError{{Code: "wrong_type", Detail: "the body must be a JSON object"}})
}

// read takes the next member from dec.
func (o *object) read(dec *jsontext.Decoder, known []string) error {
	token, err := dec.ReadToken()
	if err != nil {
		return malformed(err)
	}
	name := token.String() // before the next read, which voids the token
	value, err := dec.ReadValue()
	if err != nil {
		return malformed(err)
	}
	if deeper(value, maxDepth-1) {
		return badRequest("nesting_too_deep", fmt.Sprintf("arrays and objects may nest %d deep", maxDepth))
	}
	if !slices.Contains(known, name) {
		o.unknown(name, known)
		return nil
	}
	if _, twice := o.members[name]; twice {
		o.fault(name, "duplicate_field", "is given more than once")
		return nil
	}
	o.members[name] = value.Clone()
	return nil
}

// unknown notes a name that the object does not have.
func (o *object) unknown(name string, known []string) {
	if name == "" || len(name) > maxNameInFault { // no pointer that would help
		o.fault("", "unknown_field", fmt.Sprintf("there is no field with a name of %d bytes", len(name)))
		return
	}
	field := product.PointerToken(name)
	for _, k := range known {
		if strings.EqualFold(k, name) {
			o.fault(field, "unknown_field", "is not a known field; names are case-sensitive, did you mean "+k+"?")
			return
		}
	}
	o.fault(field, "unknown_field", "is not a known field")
}

// fault notes what is wrong with a field. The first fault of a field stands.
func (o *object) fault(field, code, detail string) {
	if field != "" && slices.ContainsFunc(o.faults, func(f product.FieldError) bool { return f.Field == field }) {
		return
	}
	if len(o.faults) >= maxFaults {
		o.dropped++
		return
	}
	o.faults = append(o.faults, product.FieldError{Field: field, Code: code, Detail: detail})
}

// deeper reports whether value nests more than limit deep.
func deeper(value jsontext.Value, limit int) bool {
	if k := value.Kind(); k != '{' && k != '[' {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	for {
		if _, err := dec.ReadToken(); err != nil {
			return false // the end: the value was read once before
		}
		if dec.StackDepth() > limit {
			return true
		}
	}
}

// trailing refuses anything after the one document.
func trailing(dec *jsontext.Decoder) error {
	switch _, err := dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	default:
		return badRequest("trailing_data", "the body must hold one JSON document and nothing after it")
	}
}

// malformed says where a body stops being JSON.
func malformed(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return badRequest("malformed_json", fmt.Sprintf("the body is not valid JSON at byte %d", syntax.ByteOffset))
	}
	return badRequest("malformed_json", "the body is not valid JSON")
}
