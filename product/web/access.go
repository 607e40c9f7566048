package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// need is the access that a route requires. Callers see and change what is in their
// scope.
type need int

const (
	needAdmin   need = iota // the administrator; the zero value, so that no route is open by mistake
	needFullKey             // also users with a key that is not read-only, whatever the method
	needKey                 // also users with any key; a read-only one for GET and HEAD only
	needNothing             // everyone, without authentication
)

// admits returns nil, or the problem of an authenticated caller who may not do this.
func (n need) admits(c caller, method string) error {
	safe := method == http.MethodGet || method == http.MethodHead
	switch {
	case n == needAdmin && c.user() != "":
		return problem.New("admin_only", "only the administrator may do this")
	case c.readOnly && (n == needFullKey || !safe):
		return problem.New("read_only_key", "this API key is read-only")
	}
	return nil
}

// caller is who sends a request. The zero value may see and change nothing.
type caller struct {
	scope    product.Scope // what it may see and change
	name     string        // identifies callers: "open", "admin", or the user's id whatever key was used
	keyID    uuid.UUID     // of its API key; zero without one
	readOnly bool          // it may not change anything
}

// The names of the callers that are not users. All callers of an open API are one.
const (
	callerOpen  = "open"
	callerAdmin = "admin"
)

// user returns the name of a caller who is a user, and "" for callers who act for all
// users.
func (c caller) user() string {
	if _, one := c.scope.User(); !one {
		return ""
	}
	return c.name
}

// limited returns the API key that the caller's requests are counted under, "" if they
// are not counted.
func (c caller) limited() string {
	if c.keyID == uuid.Nil {
		return ""
	}
	return c.keyID.String()
}

type callerKey struct{}

// callerOf returns the request's caller: the zero value on a route without
// authentication.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// access authenticates callers: the administrator by token, users by their API keys.
type access struct {
	open  bool
	admin [sha256.Size]byte // of the token
	keys  Accounts
}

func newAccess(adminToken string, keys Accounts) access {
	return access{open: adminToken == "", admin: sha256.Sum256([]byte(adminToken)), keys: keys}
}

// scope returns what the request's caller may see and change.
func (c access) scope(r *http.Request) product.Scope { return callerOf(r.Context()).scope }

// letIn counts the request towards the rate limits and checks that its caller may use
// the route. The result has the caller in its context.
func (a *api) letIn(rt route, w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if rt.need == needNothing {
		return r, a.rates.Guard(w, r, nil)
	}
	var who caller
	err := a.rates.Guard(w, r, func(r *http.Request) (key string, err error) {
		who, err = a.access.check(r)
		noteCaller(r.Context(), who)
		return who.limited(), err
	})
	if err != nil {
		return nil, err
	}
	if err := rt.need.admits(who, r.Method); err != nil {
		return nil, err
	}
	r = r.WithContext(context.WithValue(r.Context(), callerKey{}, who))
	r.Body = &guardedBody{r.Body, func() error { return a.access.denied(r) }}
	return r, nil
}

// check authenticates the request's caller; the error is a 401 problem. The result is
// valid for a few seconds (see [product.Service.VerifyKey]): an answer that takes longer
// has to check again. Digests are compared instead of the tokens, so that the time taken
// reveals neither how much of a guess is right nor the token's length.
func (c access) check(r *http.Request) (caller, error) {
	if c.open {
		return caller{scope: product.Everything(), name: callerOpen}, nil
	}
	token, ok := header.Bearer(r.Header)
	if !ok {
		return caller{}, problem.New("unauthorized",
			"send one Authorization header with a bearer token").With("WWW-Authenticate", `Bearer realm="vitrine"`)
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], c.admin[:]) == 1 {
		return caller{scope: product.Everything(), name: callerAdmin}, nil
	}
	if !strings.HasPrefix(token, product.KeyMark) {
		return caller{}, badToken()
	}
	grant, err := c.keys.VerifyKey(r.Context(), token)
	if errors.Is(err, product.ErrInvalidKey) {
		return caller{}, badToken()
	}
	if err != nil {
		return caller{}, err
	}
	return caller{
		scope: product.OwnedBy(grant.UserID), name: grant.UserID.String(), keyID: grant.KeyID, readOnly: grant.ReadOnly,
	}, nil
}

// denied returns the answer to a request whose caller is not valid any more, else nil.
// The answer is complete, so that it is not mistaken for an error in the body.
func (c access) denied(r *http.Request) error {
	if _, err := c.check(r); err != nil {
		return asProblem(r.Context(), err)
	}
	return nil
}

// guardedBody is a body that checks the caller again at its end: a client may take its
// time to send one, and its key expire meanwhile.
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

// unguarded returns r without the check at the end of its body, for handlers that
// replace the request's deadline and check themselves.
func unguarded(r *http.Request) *http.Request {
	if body, ok := r.Body.(*guardedBody); ok {
		r = r.WithContext(r.Context()) // a copy
		r.Body = body.ReadCloser
	}
	return r
}

// badToken returns the answer to every invalid token, whether it was valid before or
// not.
func badToken() *problem.Error {
	return problem.New("invalid_token",
		"the bearer token is not valid").With("WWW-Authenticate", `Bearer realm="vitrine", error="invalid_token"`)
}
