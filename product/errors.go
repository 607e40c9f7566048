package product

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotFound says that there is no such product or user.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a value which has to be unique is taken.
	ErrConflict = errors.New("conflict")
	// ErrExternalIDTaken says that another product of the user has the external
	// id. It is an [ErrConflict].
	ErrExternalIDTaken = fmt.Errorf("external id is taken: %w", ErrConflict)
	// ErrPrecondition says that the product's version is not the one that the
	// caller named: somebody changed it in between.
	ErrPrecondition = errors.New("version does not match")
	// ErrKeyReused says that the idempotency key belongs to another request.
	ErrKeyReused = errors.New("idempotency key belongs to another request")
	// ErrKeyInProgress says that a request with the same idempotency key is under
	// way. Its outcome is open yet; the same call may succeed soon.
	ErrKeyInProgress = errors.New("request with this idempotency key is under way")
	// ErrUnavailable says that PostgreSQL is out of reach or did not answer in
	// time. Whether a write took place is then unknown.
	ErrUnavailable = errors.New("database unavailable")
	// ErrOverloaded says that too many others were waiting for PostgreSQL, or all
	// places were taken for too long. The call that gave it has not been begun.
	ErrOverloaded = errors.New("too many are waiting for the database")
)

// FieldError is one bad field of an input. Field is its parameter name or its JSON
// pointer without the first slash (RFC 6901): product_images/1.
type FieldError struct {
	Field  string
	Code   string // for programs: required, too_long, out_of_range, ...
	Detail string // for people
}

// Error gives the field and what is wrong with it.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

// ValidationError names every bad field of an input.
type ValidationError struct {
	Fields []FieldError
}

// Error gives all fields in one line.
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

// invalid makes the error of an input with one bad field.
func Invalid(field, code, detail string) *ValidationError {
	return &ValidationError{Fields: []FieldError{{Field: field, Code: code, Detail: detail}}}
}

// errUnknownUser refuses a product for a user that does not exist, or not for the
// caller.
func UnknownUser() error { return Invalid("user_id", "unknown", "is not the id of a user") }
