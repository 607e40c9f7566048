package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"vitrine/product"
)

// access is the rule of who may call the routes that are not open. There is one
// caller so far, the administrator, who may do everything.
type access struct {
	open  bool
	admin [sha256.Size]byte // of the token
}

func newAccess(adminToken string) access {
	return access{open: adminToken == "", admin: sha256.Sum256([]byte(adminToken))}
}

// caller names whom the request comes from, to keep one caller's idempotency keys
// apart from another's. Those of an open API have no names, so they share one.
func (c access) caller() string {
	if c.open {
		return "open"
	}
	return "admin"
}

// scope is what the request's caller may see and change.
func (c access) scope(*http.Request) product.Scope { return product.Everything() }

// check lets the request pass, or is a *problem with status 401. Sums of the
// tokens are compared and not the tokens, so that the time taken tells neither
// how much of a guess is right nor how long the token is.
func (c access) check(r *http.Request) error {
	if c.open {
		return nil
	}
	token, ok := bearer(r.Header)
	if !ok {
		return newProblem(http.StatusUnauthorized, "unauthorized",
			"an Authorization header with a bearer token is needed").with("WWW-Authenticate", `Bearer realm="vitrine"`)
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], c.admin[:]) == 1 {
		return nil
	}
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
