package testenv

import (
	"errors"
	"strings"
	"testing"

	"vitrine/product"
)

// ErrDown is the error of a dependency that is down.
var ErrDown = errors.New("down")

// ErrOf returns the error of a call that returns a value and an error.
func ErrOf[T any](_ T, err error) error { return err }

// WantErr checks that err is want.
func WantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// WantFields checks that err reports exactly these fields, and returns their errors.
func WantFields(t testing.TB, err error, fields ...string) []product.FieldError {
	t.Helper()
	var v *product.ValidationError
	if !errors.As(err, &v) {
		t.Fatalf("error %v, want a validation error", err)
	}
	var got []string
	for _, f := range v.Fields {
		if f.Code == "" || f.Detail == "" {
			t.Errorf("%s has no code or detail", f.Field)
		}
		got = append(got, f.Field)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Fatalf("bad fields %v, want %v", got, fields)
	}
	return v.Fields
}
