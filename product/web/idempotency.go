package web

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"vitrine/product"
)

// keyHeader carries the client's name for a request that it may have to repeat
// (draft-ietf-httpapi-idempotency-key-header).
const keyHeader = "Idempotency-Key"

const maxKeyBytes = 255

// readOnce is readBody for the JSON of a request that may carry an idempotency
// key. Without the header the result names none.
func (a *api) readOnce(w http.ResponseWriter, r *http.Request) ([]byte, product.Idempotency, error) {
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return nil, product.Idempotency{}, err
	}
	body, err := readBody(w, r, typeJSON)
	if err != nil || key == "" {
		return body, product.Idempotency{}, err
	}
	return body, a.once(r, key, body), nil
}

// once names a request by its caller's key, if there is one, and all that it asks
// for.
func (a *api) once(r *http.Request, key string, body []byte) product.Idempotency {
	if key == "" {
		return product.Idempotency{}
	}
	return product.Idempotency{Owner: callerOf(r.Context()).name, Key: key, Request: requestDigest(r, body)}
}

// requestDigest is the SHA-256 of all that the request asks for. A route is the
// same under both of its paths.
func requestDigest(r *http.Request, body []byte) (digest [sha256.Size]byte) {
	h := sha256.New()
	h.Write([]byte(r.Method + " " + strings.TrimPrefix(r.URL.Path, apiPrefix) + "\n"))
	h.Write(body)
	h.Sum(digest[:0])
	return digest
}

// idempotencyKey reads the header: "" where there is none.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values(keyHeader)
	if len(values) == 0 {
		return "", nil
	}
	if len(values) == 1 {
		if key, ok := parseKey(values[0]); ok {
			return key, nil
		}
	}
	return "", badHeader(keyHeader, "invalid_idempotency_key", "must be one value of 1 to 255 visible ASCII characters")
}

// parseKey takes the key as most clients send it, bare, and as the draft wants
// it, a quoted string (RFC 8941, section 3.3.3). Both name the same key.
func parseKey(value string) (string, bool) {
	if quoted, found := strings.CutPrefix(value, `"`); found {
		var whole bool
		if value, whole = unquote(quoted); !whole {
			return "", false
		}
	}
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return "", false
		}
	}
	return value, value != "" && len(value) <= maxKeyBytes
}

// unquote gives the content of a quoted string whose first quote is off. It is
// whole if it ends with the other one.
func unquote(s string) (content string, whole bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// markReplay tells the client that the answer is that of an earlier request.
func markReplay(h http.Header, replayed bool) {
	if replayed {
		h.Set("Idempotent-Replayed", "true")
	}
}
