package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"

	"vitrine/product"
)

// need says whom a route answers. Those who are let in see and change what lies in
// their scope.
type need int

const (
	needAdmin   need = iota // the administrator alone; the zero value, so that nothing is open by mistake
	needFullKey             // also users with a key that is not read-only, whatever the method
	needKey                 // also users with any key; where the method changes something, not a read-only one
	needNothing             // everybody, without a word about who asks
)

// admits is nil, or the *problem for a caller who is known but may not do this.
func (n need) admits(c caller, method string) error {
	safe := method == http.MethodGet || method == http.MethodHead
	switch {
	case n == needAdmin && !c.everybody():
		return newProblem(http.StatusForbidden, "admin_only", "only the administrator may do this")
	case c.readOnly && (n == needFullKey || !safe):
		return newProblem(http.StatusForbidden, "read_only_key", "the API key may only read")
	}
	return nil
}

// access is the rule of who may call the routes that are not open to everybody:
// whoever has the administrator's token, and users with their API keys.
type access struct {
	open  bool
	admin [sha256.Size]byte // of the token
	keys  Accounts
}

func newAccess(adminToken string, keys Accounts) access {
	return access{open: adminToken == "", admin: sha256.Sum256([]byte(adminToken)), keys: keys}
}

// scope is what the request's caller may see and change.
func (c access) scope(r *http.Request) product.Scope { return callerOf(r.Context()).scope }

// check finds out who calls, or is a *problem with status 401. It holds for a few
// seconds (see [product.Service.VerifyKey]): an answer that takes longer has to ask
// again. Sums of the administrator's tokens are compared and not the tokens, so that
// the time taken tells neither how much of a guess is right nor how long the token is.
func (c access) check(r *http.Request) (caller, error) {
	if c.open {
		return caller{scope: product.OpenAccess(), name: callerOpen}, nil
	}
	token, ok := bearer(r.Header)
	if !ok {
		return caller{}, newProblem(http.StatusUnauthorized, "unauthorized",
			"an Authorization header with a bearer token is needed").with("WWW-Authenticate", `Bearer realm="vitrine"`)
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
		scope: product.OwnedBy(grant.UserID), name: formatNumber(grant.UserID), keyID: grant.KeyID, readOnly: grant.ReadOnly,
	}, nil
}

// denied is nil, or the *problem that check gives as it is answered: where it stands
// for a body's error, the fault is not to be sought in the body.
func (c access) denied(r *http.Request) *problem {
	if _, err := c.check(r); err != nil {
		return asProblem(r.Context(), err)
	}
	return nil
}

// guardedBody is a body that ends with the *problem that the request gets by then: a
// client may take its time to send one, and its key end meanwhile.
type guardedBody struct {
	io.ReadCloser
	check func() *problem
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

// unguarded is r without what guards its body, for who takes longer than the request
// had and asks again itself.
func unguarded(r *http.Request) *http.Request {
	if body, ok := r.Body.(*guardedBody); ok {
		r = r.WithContext(r.Context()) // a copy
		r.Body = body.ReadCloser
	}
	return r
}

// badToken is the answer to every token that opens nothing: it does not tell
// whether it ever did.
func badToken() *problem {
	return newProblem(http.StatusUnauthorized, "invalid_token",
		"the bearer token is not valid").with("WWW-Authenticate", `Bearer realm="vitrine", error="invalid_token"`)
}

// bearer reads the token of the one Authorization header (RFC 6750, section 2.1);
// the scheme's case does not matter.
func bearer(h http.Header) (string, bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}
