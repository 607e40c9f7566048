package icc

import (
	"encoding/binary"
	"math"
)

// Transfer returns the linear light, from 0 to 1, of a stored value from 0 to 1.
type Transfer func(float64) float64

// curve is a curve of a profile (ICC.1:2022, 10.6 and 10.18). The zero value is the identity.
type curve struct {
	table []byte     // samples, big-endian
	width int        // bytes per sample
	kind  int        // function type of a parametric curve plus 1; 0 for other curves
	p     [7]float64 // parameters
}

const maxCurvePoints = 1 << 16

// parametric is the number of parameters by function type.
var parametric = [5]int{1, 3, 4, 5, 7}

// parseCurve returns the curve at the start of b and its length in bytes.
func parseCurve(b []byte) (c curve, used int, err error) {
	if len(b) < 12 {
		return c, 0, ErrMalformed
	}
	switch string(b[:4]) {
	case "curv":
		n := binary.BigEndian.Uint32(b[8:])
		if n > maxCurvePoints || int(n) > (len(b)-12)/2 {
			return c, 0, ErrMalformed
		}
		used = 12 + 2*int(n)
		switch n {
		case 0:
		case 1:
			c.kind, c.p[0] = 1, float64(binary.BigEndian.Uint16(b[12:]))/256
		default:
			c.table, c.width = b[12:used], 2
		}
		return c, used, nil
	case "para":
		kind := int(binary.BigEndian.Uint16(b[8:]))
		if kind >= len(parametric) || len(b) < 12+4*parametric[kind] {
			return c, 0, ErrMalformed
		}
		for i := range parametric[kind] {
			c.p[i] = fixed(b[12+4*i:])
		}
		c.kind = kind + 1
		return c, 12 + 4*parametric[kind], nil
	}
	return c, 0, ErrUnsupported
}

// at returns the value of the curve at x. Both are clamped to the range from 0 to 1.
func (c *curve) at(x float64) float64 {
	x = unit(x)
	switch {
	case c.kind > 0:
		return unit(c.formula(x))
	case c.table == nil:
		return x
	}
	last := len(c.table)/c.width - 1
	position := x * float64(last)
	i := min(int(position), last-1)
	part := position - float64(i)
	return c.sample(i)*(1-part) + c.sample(i+1)*part
}

// sample returns sample i of a table, from 0 to 1.
func (c *curve) sample(i int) float64 {
	if c.width == 1 {
		return float64(c.table[i]) / 255
	}
	return float64(binary.BigEndian.Uint16(c.table[2*i:])) / 65535
}

// formula returns the value of a parametric curve (ICC.1:2022, table 68).
func (c *curve) formula(x float64) float64 {
	g, a, b, cc, d, e, f := c.p[0], c.p[1], c.p[2], c.p[3], c.p[4], c.p[5], c.p[6]
	switch c.kind {
	case 1:
		return math.Pow(x, g)
	case 2:
		if x >= -b/a {
			return math.Pow(a*x+b, g)
		}
		return 0
	case 3:
		if x >= -b/a {
			return math.Pow(a*x+b, g) + cc
		}
		return cc
	}
	if x >= d {
		return math.Pow(a*x+b, g) + e // e is 0 for function type 3
	}
	return cc*x + f
}

// unit clamps v to the range from 0 to 1. It returns 0 for NaN.
func unit(v float64) float64 {
	if v >= 1 {
		return 1
	}
	if v > 0 {
		return v
	}
	return 0
}

// Power returns the transfer function of a gamma.
func Power(gamma float64) Transfer {
	return func(x float64) float64 { return math.Pow(x, gamma) }
}
