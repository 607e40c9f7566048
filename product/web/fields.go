package web

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"vitrine/product"
)

// presence tells the three states of a member apart that a merge patch gives a
// meaning to each (RFC 7396): absent leaves alone, null removes, a value sets.
type presence int

const (
	absent presence = iota
	null
	given
	bad // noted as a fault
)

// text reads a string member.
func (o *object) text(name string) (string, presence) {
	value, state := o.member(name)
	if state != given {
		return "", state
	}
	return o.string(name, value)
}

// texts reads a member that is an array of strings. A bad element is noted under
// its own pointer and stays in the result as "", so that positions keep.
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
			return nil, bad // cannot be: the value was read once before
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
	id, ok := parseID(text)
	if !ok {
		o.fault(name, "invalid_uuid", "must be a UUID")
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
	id, ok := parseNumber(string(value))
	if !ok {
		o.fault(name, "invalid_id", badNumber)
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
	price, fault := parsePrice(string(value))
	if fault != nil {
		o.fault(name, fault.Code, fault.Detail)
		return product.Price{}, bad
	}
	return price, given
}

// strings reads a member that is an object of strings; nil stands for null, which
// only a merge patch may have there. What is wrong with a key or its value is noted
// under its own pointer.
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
			return nil, bad // cannot be: the value was read once before
		}
		key := token.String() // before the next read, which voids the token
		element, err := dec.ReadValue()
		if err != nil {
			return nil, bad
		}
		field := name
		if key != "" && len(key) <= maxKeyInFault {
			field += "/" + product.PointerToken(key)
		}
		if _, twice := members[key]; twice {
			o.fault(field, "duplicate_field", "is given more than once")
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
		o.fault(name, "invalid", "must be a whole number")
		return 0, bad
	}
	return n, given
}

// member gives a member's raw value; it is given, null or absent.
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

// string reads one string that stands at field.
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
	// PostgreSQL's text cannot hold it, and nobody means it.
	if bytes.IndexByte(raw, 0) >= 0 {
		o.fault(field, "nul_character", "must not contain the character U+0000")
		return "", bad
	}
	return string(raw), given
}

func (o *object) wrongType(field, want string, value jsontext.Value) {
	o.fault(field, "wrong_type", "must be "+want+", not "+kindName(value.Kind()))
}

// require notes the members that must be there and must not be null.
func (o *object) require(name string, state presence) {
	switch state {
	case absent:
		o.fault(name, "required", "is required")
	case null:
		o.fault(name, "required", "must not be null")
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

// parseID reads a UUID in its usual form only: [uuid.Parse] also takes braces, a
// urn and bare digits, and one thing should have one name.
func parseID(text string) (uuid.UUID, bool) {
	if len(text) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil && !strings.ContainsAny(text, "{}")
}

// maxNumber is the largest id of a user or product: larger numbers do not survive every
// JSON parser.
const maxNumber = 1<<53 - 1

var badNumber = fmt.Sprintf("must be a whole number from 1 to %d", maxNumber)

// parseNumber reads the id of a user or product in decimal digits, without a sign or
// leading zeros, so that an id has one spelling.
func parseNumber(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id >= 1 && id <= maxNumber && formatNumber(id) == text
}

func formatNumber(id int64) string { return strconv.FormatInt(id, 10) }

// parsePrice reads a price's text and says what is wrong with it.
func parsePrice(text string) (product.Price, *product.FieldError) {
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
