package product

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// The limits of a price and of its notation.
const (
	priceScale    = 4  // maximum number of decimals
	priceMaxText  = 64 // maximum length of the text, in bytes
	priceMaxPower = 64 // maximum absolute value of the exponent
)

var priceLimit = decimal.New(1, 12) // the lowest price that is too high

// Price is an exact amount from 0 to 999999999999.9999 with at most four decimals. It
// keeps the number of decimals of its input and is a plain number in JSON. The zero
// value is the price 0.
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
	// The arithmetic below would write out a huge power of ten in digits, so the
	// exponent is checked first.
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

// splitNumber splits a JSON number into its digits and its power of ten.
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
		case exponent[0] == '-': // too large for an int
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

// String returns the price without an exponent.
func (p Price) String() string {
	if e := p.amount.Exponent(); e < 0 {
		return p.amount.StringFixed(-e)
	}
	return p.amount.String()
}

// Equal reports whether both prices are the same amount, as 1.5 and 1.50 are.
func (p Price) Equal(q Price) bool { return p.amount.Equal(q.amount) }

// Less reports whether p is lower than q.
func (p Price) Less(q Price) bool { return p.amount.LessThan(q.amount) }

// MarshalJSON returns a JSON number.
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

// Value implements [database/sql/driver.Valuer].
func (p Price) Value() (driver.Value, error) { return p.String(), nil }

// Scan implements [database/sql.Scanner]. It reads a NUMERIC.
func (p *Price) Scan(src any) error {
	var s string
	switch v := src.(type) {
	case []byte:
		s = string(v)
	case string:
		s = v
	default:
		return fmt.Errorf("cannot read price from %T", src)
	}
	v, err := ParsePrice(s)
	if err != nil {
		return fmt.Errorf("price %q: %w", s, err)
	}
	*p = v
	return nil
}
