package product

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// The bounds of a price.
const (
	priceScale    = 4  // decimals at most
	priceMaxText  = 64 // bytes of a number that is read at all
	priceMaxPower = 64 // powers of ten that are computed at all
)

var priceLimit = decimal.New(1, 12) // the first price that is too high

// Price is an exact amount from 0 to 999999999999.9999 with at most four
// decimals. It keeps the number of decimals it was written with, and is a plain
// number in JSON. The zero value is the price 0.
type Price struct {
	amount decimal.Decimal
}

// ParsePrice reads a price in the notation of JSON numbers (RFC 8259, section
// 6). The error is a [*FieldError] without a field name.
func ParsePrice(s string) (Price, error) {
	digits, power, ok := splitNumber(s)
	if !ok {
		return Price{}, &FieldError{Code: "invalid", Detail: "must be a decimal number"}
	}
	// A huge power of ten would be written out in digits by the arithmetic
	// below, so it is judged before there is any.
	if strings.Trim(digits, "-0.") == "" {
		digits, power = "0", 0
	}
	if power < -priceMaxPower {
		return Price{}, priceScaleError()
	}
	if power > priceMaxPower {
		return Price{}, priceRangeError()
	}
	d, err := decimal.NewFromString(digits)
	if err != nil {
		return Price{}, &FieldError{Code: "invalid", Detail: "must be a decimal number"}
	}
	d = d.Shift(int32(power))
	switch {
	case d.IsNegative() || d.GreaterThanOrEqual(priceLimit):
		return Price{}, priceRangeError()
	case !d.Equal(d.Truncate(priceScale)):
		return Price{}, priceScaleError()
	}
	return Price{amount: d.Truncate(priceScale)}, nil
}

func priceRangeError() error {
	return &FieldError{Code: "out_of_range", Detail: "must be from 0 to 999999999999.9999"}
}

func priceScaleError() error {
	return &FieldError{Code: "too_precise", Detail: "must have at most 4 decimals"}
}

// splitNumber takes a JSON number apart into its digits and its power of ten.
func splitNumber(s string) (digits string, power int, ok bool) {
	if len(s) > priceMaxText {
		return "", 0, false
	}
	digits = s
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		digits = s[:i]
		exponent := s[i+1:]
		if !allDigits(strings.TrimPrefix(strings.TrimPrefix(exponent, "+"), "-")) || strings.HasPrefix(exponent, "+-") {
			return "", 0, false
		}
		n, err := strconv.Atoi(exponent)
		switch {
		case err == nil:
			power = n
		case exponent[0] == '-': // more digits than an int has
			power = -priceMaxPower - 1
		default:
			power = priceMaxPower + 1
		}
	}
	whole, fraction, hasPoint := strings.Cut(strings.TrimPrefix(digits, "-"), ".")
	if !allDigits(whole) || hasPoint && !allDigits(fraction) || len(whole) > 1 && whole[0] == '0' {
		return "", 0, false
	}
	return digits, power, true
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String writes the price without an exponent.
func (p Price) String() string {
	if e := p.amount.Exponent(); e < 0 {
		return p.amount.StringFixed(-e)
	}
	return p.amount.String()
}

// Equal says whether both are the same amount: 1.5 and 1.50 are.
func (p Price) Equal(q Price) bool { return p.amount.Equal(q.amount) }

// Less says whether p is the lower amount.
func (p Price) Less(q Price) bool { return p.amount.LessThan(q.amount) }

// MarshalJSON writes a JSON number.
func (p Price) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalJSON reads a JSON number; strings are refused. The error is a
// [*FieldError].
func (p *Price) UnmarshalJSON(b []byte) error {
	v, err := ParsePrice(string(b))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// Value gives the price to PostgreSQL.
func (p Price) Value() (driver.Value, error) { return p.String(), nil }

// Scan reads a NUMERIC.
func (p *Price) Scan(src any) error {
	var s string
	switch v := src.(type) {
	case []byte:
		s = string(v)
	case string:
		s = v
	default:
		return fmt.Errorf("price from %T", src)
	}
	v, err := ParsePrice(s)
	if err != nil {
		return fmt.Errorf("price %q: %w", s, err)
	}
	*p = v
	return nil
}
