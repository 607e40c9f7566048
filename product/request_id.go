package product

import (
	"context"
	"strings"
)

type requestIDKey struct{}

// WithRequestID gives a context that carries a request's id into the jobs, rows
// and log lines that the request causes. Characters that PostgreSQL does not
// take are left out.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, SanitizeText(id))
}

// RequestID is the id that [WithRequestID] put there, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// storable returns a text from outside in a form that PostgreSQL accepts, so that no source
// keeps its image from being settled.
func SanitizeText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	if len(s) > maxDetailBytes {
		s = strings.ToValidUTF8(s[:maxDetailBytes], "")
	}
	return s
}

// maxDetailBytes bounds a text from outside that is stored.
const maxDetailBytes = 2000
