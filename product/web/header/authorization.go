package header

import (
	"net/http"
	"strings"
)

// Bearer returns the token of the one Authorization header (RFC 6750, section 2.1),
// and whether there is one. The scheme is not case-sensitive.
func Bearer(h http.Header) (token string, ok bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}
