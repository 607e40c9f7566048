// Package access decides who may call a route: it authenticates the administrator by
// token and users by their API keys, and checks what a route needs.
//
// Of the project, it imports the product packages and the packages header and problem
// beside it. Begin with [Rule.Check] and [Need].
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// Need is the access that a route requires. Callers see and change what is in their
// scope.
type Need int

// The needs of routes.
const (
	Admin   Need = iota // the administrator; the zero value, so that no route is open by mistake
	FullKey             // also users with a key that is not read-only, whatever the method
	AnyKey              // also users with any key; a read-only one for GET and HEAD only
	Nothing             // everyone, without authentication
)

// Admits returns nil, or the problem of an authenticated caller who may not do this.
func (n Need) Admits(c Caller, method string) error {
	safe := method == http.MethodGet || method == http.MethodHead
	switch {
	case n == Admin && c.User() != "":
		return problem.New("admin_only", "only the administrator may do this")
	case c.readOnly && (n == FullKey || !safe):
		return problem.New("read_only_key", "this API key is read-only")
	}
	return nil
}

// Caller is who sends a request. The zero value may see and change nothing.
type Caller struct {
	Scope    product.Scope // what it may see and change
	Name     string        // identifies callers: "open", "admin", or the user's id whatever key was used
	KeyID    uuid.UUID     // of its API key; zero without one
	readOnly bool          // it may not change anything
}

// The names of the callers that are not users. All callers of an open API are one.
const (
	callerOpen  = "open"
	callerAdmin = "admin"
)

// User returns the name of a caller who is a user, and "" for callers who act for all
// users.
func (c Caller) User() string {
	if _, one := c.Scope.User(); !one {
		return ""
	}
	return c.Name
}

// LimitedKey returns the API key that the caller's requests are counted under, "" if
// they are not counted.
func (c Caller) LimitedKey() string {
	if c.KeyID == uuid.Nil {
		return ""
	}
	return c.KeyID.String()
}

type callerKey struct{}

// CallerOf returns the request's caller: the zero value on a route without
// authentication.
func CallerOf(r *http.Request) Caller {
	c, _ := r.Context().Value(callerKey{}).(Caller)
	return c
}

// WithCaller returns the request with its caller in the context.
func WithCaller(r *http.Request, c Caller) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// Keys verifies API keys.
type Keys interface {
	// VerifyKey returns what the key allows. Errors: [account.ErrInvalidKey], and
	// [product.ErrUnavailable] if the key cannot be verified now.
	VerifyKey(ctx context.Context, key string) (account.Grant, error)
}

// Rule authenticates callers. It is safe for concurrent use.
type Rule struct {
	open  bool
	admin [sha256.Size]byte // of the token
	keys  Keys
}

// New returns the rule for an administrator's token; without one the API is open.
func New(adminToken string, keys Keys) Rule {
	return Rule{open: adminToken == "", admin: sha256.Sum256([]byte(adminToken)), keys: keys}
}

// Check authenticates the request's caller; the error is a 401 problem. The result is
// valid for a few seconds (see [catalogue.Service.VerifyKey]): an answer that takes longer
// has to check again. Digests are compared instead of the tokens, so that the time taken
// reveals neither how much of a guess is right nor the token's length.
func (c Rule) Check(r *http.Request) (Caller, error) {
	if c.open {
		return Caller{Scope: product.OpenAccess(), Name: callerOpen}, nil
	}
	token, ok := header.Bearer(r.Header)
	if !ok {
		return Caller{}, problem.New("unauthorized",
			"send one Authorization header with a bearer token").With("WWW-Authenticate", `Bearer realm="vitrine"`)
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], c.admin[:]) == 1 {
		return Caller{Scope: product.Everything(), Name: callerAdmin}, nil
	}
	if !strings.HasPrefix(token, account.KeyMark) {
		return Caller{}, badToken()
	}
	grant, err := c.keys.VerifyKey(r.Context(), token)
	if errors.Is(err, account.ErrInvalidKey) {
		return Caller{}, badToken()
	}
	if err != nil {
		return Caller{}, err
	}
	return Caller{
		Scope: product.OwnedBy(grant.UserID), Name: strconv.FormatInt(grant.UserID, 10), KeyID: grant.KeyID, readOnly: grant.ReadOnly,
	}, nil
}

// GuardBody makes the request's body fail at its end with the error of check, if there
// is one: a client may take its time to send a body, and its key expire meanwhile.
func GuardBody(r *http.Request, check func() error) { r.Body = &guardedBody{r.Body, check} }

type guardedBody struct {
	io.ReadCloser
	check func() error
}

// Read implements [io.Reader].
func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if denied := b.check(); denied != nil {
			return n, denied
		}
	}
	return n, err
}

// UnguardBody returns r without the check at the end of its body, for handlers that
// replace the request's deadline and check themselves.
func UnguardBody(r *http.Request) *http.Request {
	if guarded, ok := r.Body.(*guardedBody); ok {
		r = r.WithContext(r.Context()) // a copy
		r.Body = guarded.ReadCloser
	}
	return r
}

// badToken returns the answer to every invalid token, whether it was valid before or
// not.
func badToken() *problem.Error {
	return problem.New("invalid_token",
		"the bearer token is not valid").With("WWW-Authenticate", `Bearer realm="vitrine", error="invalid_token"`)
}
