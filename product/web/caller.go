package web

import (
	"context"

	"github.com/google/uuid"

	"vitrine/product"
)

// caller is whom a request comes from. The guard finds it out once and puts it
// into the request's context; the zero value may see and change nothing.
type caller struct {
	scope    product.Scope // what it may see and change
	name     string        // tells callers apart: "open", "admin", or the user's id whatever key was used
	keyID    uuid.UUID     // of its API key; nil where it has none
	readOnly bool          // it may change nothing
}

// The names of the callers that are no users. Those of an open API are one.
const (
	callerOpen  = "open"
	callerAdmin = "admin"
)

// everybody reports whether the caller may act for all users.
func (c caller) everybody() bool {
	_, one := c.scope.User()
	return !one
}

// limited names what the caller's requests are counted under: its API key, or ""
// where they are not.
func (c caller) limited() string {
	if c.keyID == uuid.Nil {
		return ""
	}
	return c.keyID.String()
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf is the request's caller: the zero value on a route that asks for none.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}
