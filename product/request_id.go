package product

import "context"

type requestIDKey struct{}

// WithRequestID returns a context that carries a request's id into the jobs, rows and log
// lines that the request causes. The id is sanitized with [SanitizeText].
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, SanitizeText(id))
}

// RequestID returns the id that [WithRequestID] stored, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
