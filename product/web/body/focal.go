package body

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"vitrine/product"
)

// focal reads a member that is a point: an object with the numbers x and y.
func (o *object) focal(name string) (*product.Focal, presence) {
	value, state := o.member(name)
	if state != given {
		return nil, state
	}
	return o.point(name, value)
}

// focalText reads a point from a form's text, nil if it has none.
func (o *object) focalText(name string, text []byte) *product.Focal {
	value := jsontext.Value(bytes.TrimSpace(text))
	if !value.IsValid() {
		o.Fault(name, "invalid", `must be a point such as {"x": 0.5, "y": 0.25}`)
		return nil
	}
	if value.Kind() == 'n' {
		return nil
	}
	point, _ := o.point(name, value)
	return point
}

// point reads the point at field. The fault of a coordinate has the coordinate's
// pointer.
func (o *object) point(field string, value jsontext.Value) (*product.Focal, presence) {
	if value.Kind() != '{' {
		o.wrongType(field, `an object {"x": number, "y": number}`, value)
		return nil, bad
	}
	inner, err := parseObject(value, "x", "y")
	if err != nil {
		o.Fault(field, "invalid", "must be an object with the numbers x and y")
		return nil, bad
	}
	var point product.Focal
	inner.coordinate("x", &point.X)
	inner.coordinate("y", &point.Y)
	for _, f := range inner.All() {
		at := field
		if f.Field != "" {
			at += "/" + f.Field
		}
		o.Fault(at, f.Code, f.Detail)
	}
	if inner.Any() {
		return nil, bad
	}
	return &point, given
}

// coordinate reads a required number.
func (o *object) coordinate(name string, to *float64) {
	value, state := o.member(name)
	if state != given {
		o.require(name, state)
		return
	}
	if value.Kind() != '0' {
		o.wrongType(name, "a number", value)
		return
	}
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil { // beyond what a float64 holds
		o.Fault(name, "out_of_range", "must be from 0 to 1")
		return
	}
	*to = n
}
