package product

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotFound reports that the product, image, user or key does not exist, or not in
	// the caller's scope.
	ErrNotFound = errors.New("not found")
	// ErrConflict reports that a value that must be unique is taken, or that a limit on
	// a user's or product's rows is reached.
	ErrConflict = errors.New("conflict")
	// ErrExternalIDTaken reports that another product of the user has the external id.
	// It wraps [ErrConflict].
	ErrExternalIDTaken = fmt.Errorf("external id is taken: %w", ErrConflict)
	// ErrPrecondition reports that the product has another version than the caller
	// required: it has been changed in the meantime.
	ErrPrecondition = errors.New("version does not match")
	// ErrKeyReused reports that another request was sent with the same idempotency key.
	ErrKeyReused = errors.New("idempotency key belongs to another request")
	// ErrKeyInProgress reports that a request with the same idempotency key is in
	// progress. The same call may succeed soon.
	ErrKeyInProgress = errors.New("request with this idempotency key is in progress")
	// ErrUnavailable reports that PostgreSQL is unreachable or did not respond in time.
	// It is then unknown whether a write took effect.
	ErrUnavailable = errors.New("database unavailable")
	// ErrOverloaded reports that too many calls were waiting for PostgreSQL. The call
	// that returned it had no effect.
	ErrOverloaded = errors.New("too many calls are waiting for the database")
	// ErrForeign reports that the product or user belongs to another user than the
	// caller. It wraps [ErrNotFound], and clients see it as that.
	ErrForeign = fmt.Errorf("belongs to another user: %w", ErrNotFound)
)

// FieldError describes one invalid field of an input. Field is the name of a parameter,
// or a JSON pointer without its first slash (RFC 6901), such as product_images/1.
type FieldError struct {
	Field  string
	Code   string // for programs: required, too_long, out_of_range, ...
	Detail string // for people, to follow the field's name
}

// Error returns the field and its detail.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

// ValidationError lists every invalid field of an input.
type ValidationError struct {
	Fields []FieldError
}

// Error returns all fields and details in one line.
func (e *ValidationError) Error() string {
	parts := make([]string, len(e.Fields))
	for i := range e.Fields {
		parts[i] = e.Fields[i].Error()
	}
	return "invalid input: " + strings.Join(parts, "; ")
}

// PointerToken escapes a name for a JSON pointer (RFC 6901, section 3).
func PointerToken(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// Invalid returns the error of an input with one invalid field.
func Invalid(field, code, detail string) *ValidationError {
	return &ValidationError{Fields: []FieldError{{Field: field, Code: code, Detail: detail}}}
}

// UnknownUser returns the error of an input that refers to a user who does not exist or
// lies outside the caller's scope.
func UnknownUser() error { return Invalid("user_id", "unknown", "is not the id of a known user") }
