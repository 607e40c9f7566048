package body

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"vitrine/product"
)

// presence is the state of a member. A merge patch (RFC 7396) gives each a meaning:
// absent leaves the field alone, null removes it, a value sets it.
type presence int

const (
	absent presence = iota
	null
	given
	bad // has a fault
)

// text reads a string member.
func (o *object) text(name string) (string, presence) {
	value, state := o.member(name)
	if state != given {
		return "", state
	}
	return o.string(name, value)
}

// texts reads a member that is an array of strings. The fault of a bad element has the
// element's pointer; the element is "" in the result, so that positions stay.
func (o *object) texts(name string) ([]string, presence) {
	value, state := o.member(name)
	if state != given {
		return nil, state
	}
	if value.Kind() != '[' {
		o.wrongType(name, "an array of strings", value)
		return nil, bad
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, bad
	}
	list := []string{}
	for dec.PeekKind() != ']' {
		element, err := dec.ReadValue()
		if err != nil {
			return nil, bad // impossible: the value is known to be valid
		}
		text, _ := o.string(name+"/"+strconv.Itoa(len(list)), element)
		list = append(list, text)
	}
	return list, given
}

// id reads a member that is a UUID in its usual form of 36 characters.
func (o *object) id(name string) (uuid.UUID, presence) {
	text, state := o.text(name)
	if state != given {
		return uuid.Nil, state
	}
	id, ok := ParseID(text)
	if !ok {
		o.Fault(name, "invalid_uuid", "must be a UUID")
		return uuid.Nil, bad
	}
	return id, given
}

// number reads a member that is the id of a user or product.
func (o *object) number(name string) (int64, presence) {
	value, state := o.member(name)
	if state != given {
		return 0, state
	}
	if value.Kind() != '0' {
		o.wrongType(name, "a whole number", value)
		return 0, bad
	}
	id, ok := ParseNumber(string(value))
	if !ok {
		o.Fault(name, "invalid_id", BadNumber)
		return 0, bad
	}
	return id, given
}

// price reads a number as an exact decimal: its text never becomes a float.
func (o *object) price(name string) (product.Price, presence) {
	value, state := o.member(name)
	if state != given {
		return product.Price{}, state
	}
	if value.Kind() != '0' {
		o.wrongType(name, "a number", value)
		return product.Price{}, bad
	}
	price, fault := ParsePrice(string(value))
	if fault != nil {
		o.Fault(name, fault.Code, fault.Detail)
		return product.Price{}, bad
	}
	return price, given
}

// strings reads a member that is an object of strings; nil stands for null, which is
// allowed only with nulls, in a merge patch. The fault of a key or its value has the
// key's pointer.
func (o *object) strings(name string, nulls bool) (map[string]*string, presence) {
	value, state := o.member(name)
	if state != given {
		return nil, state
	}
	if value.Kind() != '{' {
		o.wrongType(name, "an object of strings", value)
		return nil, bad
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, bad
	}
	members := map[string]*string{}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, bad // impossible: the value is known to be valid
		}
		key := token.String() // before the next read, which invalidates the token
		element, err := dec.ReadValue()
		if err != nil {
			return nil, bad
		}
		field := name
		if key != "" && len(key) <= maxKey {
			field += "/" + product.PointerToken(key)
		}
		if _, twice := members[key]; twice {
			o.Fault(field, "duplicate_field", "must not be repeated")
			continue
		}
		members[key] = nil
		if element.Kind() == 'n' && nulls {
			continue
		}
		if text, state := o.string(field, element); state == given {
			members[key] = &text
		}
	}
	return members, given
}

// whole reads a whole number that fits into an int.
func (o *object) whole(name string) (int, presence) {
	value, state := o.member(name)
	if state != given {
		return 0, state
	}
	n, err := strconv.Atoi(string(value))
	if value.Kind() != '0' {
		o.wrongType(name, "a whole number", value)
		return 0, bad
	}
	if err != nil {
		o.Fault(name, "invalid", "must be a whole number")
		return 0, bad
	}
	return n, given
}

// set reports whether a member is given, valid or not; null is a fault.
func (o *object) set(name string, state presence) bool {
	if state == null {
		o.require(name, state)
	}
	return state == given || state == bad
}

// boolean reads a member that is true or false.
func (o *object) boolean(name string) (bool, presence) {
	value, state := o.member(name)
	if state != given {
		return false, state
	}
	switch value.Kind() {
	case 't':
		return true, given
	case 'f':
		return false, given
	}
	o.wrongType(name, "a boolean", value)
	return false, bad
}

// integer reads a member that is a whole number of 32 bits, without a fraction or an
// exponent.
func (o *object) integer(name string) (int, presence) {
	value, state := o.member(name)
	if state != given {
		return 0, state
	}
	if value.Kind() != '0' {
		o.wrongType(name, "a number", value)
		return 0, bad
	}
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil {
		o.Fault(name, "invalid_integer", "must be a 32-bit whole number")
		return 0, bad
	}
	return int(n), given
}

// time reads a member that is a point in time.
func (o *object) time(name string) (time.Time, presence) {
	text, state := o.text(name)
	if state != given {
		return time.Time{}, state
	}
	t, ok := ParseTime(text)
	if !ok {
		o.Fault(name, "invalid_time", "must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
		return time.Time{}, bad
	}
	return t, given
}

// member returns a member's raw value, which is given, null or absent.
func (o *object) member(name string) (jsontext.Value, presence) {
	value, ok := o.members[name]
	switch {
	case !ok:
		return nil, absent
	case value.Kind() == 'n':
		return nil, null
	}
	return value, given
}

// string reads the string at field.
func (o *object) string(field string, value jsontext.Value) (string, presence) {
	if value.Kind() != '"' {
		o.wrongType(field, "a string", value)
		return "", bad
	}
	raw, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		o.wrongType(field, "a string", value)
		return "", bad
	}
	// PostgreSQL's text type cannot store it.
	if bytes.IndexByte(raw, 0) >= 0 {
		o.Fault(field, "nul_character", "must not contain the character U+0000")
		return "", bad
	}
	return string(raw), given
}

func (o *object) wrongType(field, want string, value jsontext.Value) {
	o.Fault(field, "wrong_type", "must be "+want+", not "+kindName(value.Kind()))
}

// require adds a fault for a member that is absent or null.
func (o *object) require(name string, state presence) {
	switch state {
	case absent:
		o.Fault(name, "required", "is required")
	case null:
		o.Fault(name, "required", "must not be null")
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	}
	return "an array"
}

// ParseID reads a UUID in its usual form only. [uuid.Parse] also accepts braces, a URN
// and bare digits, but one thing should have one name.
func ParseID(text string) (uuid.UUID, bool) {
	if len(text) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil && !strings.ContainsAny(text, "{}")
}

// maxNumber is the largest id of a user or product: JSON parsers lose the precision of
// larger numbers.
const maxNumber = 1<<53 - 1

// BadNumber says what is wrong with an id that is not one.
var BadNumber = fmt.Sprintf("must be a whole number from 1 to %d", maxNumber)

// ParseNumber reads the id of a user or product in decimal digits, without a sign or
// leading zeros, so that an id has one spelling.
func ParseNumber(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id >= 1 && id <= maxNumber && strconv.FormatInt(id, 10) == text
}

// ParsePrice reads a price and returns its fault if there is one.
func ParsePrice(text string) (product.Price, *product.FieldError) {
	price, err := product.ParsePrice(text)
	if err == nil {
		return price, nil
	}
	var fault *product.FieldError
	if !errors.As(err, &fault) {
		fault = &product.FieldError{Code: "invalid", Detail: "must be a decimal number"}
	}
	return product.Price{}, fault
}

// ParseTime reads a time of RFC 3339 as UTC, because PostgreSQL accepts fewer offsets
// than that format has.
func ParseTime(text string) (t time.Time, ok bool) {
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC()
	return t, err == nil && t.Year() >= 1 && t.Year() <= 9999
}
