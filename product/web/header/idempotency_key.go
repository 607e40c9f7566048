package header

import (
	"net/http"
	"strings"

	"vitrine/product/web/problem"
)

// IdempotencyKeyName is the header with the client's name for a request that it may
// have to repeat (draft-ietf-httpapi-idempotency-key-header).
const IdempotencyKeyName = "Idempotency-Key"

const maxKeyBytes = 255

// IdempotencyKey returns the key in Idempotency-Key, "" without that header.
func IdempotencyKey(h http.Header) (string, error) {
	values := h.Values(IdempotencyKeyName)
	if len(values) == 0 {
		return "", nil
	}
	if len(values) == 1 {
		if key, ok := parseKey(values[0]); ok {
			return key, nil
		}
	}
	return "", problem.OfHeader(IdempotencyKeyName, "invalid_idempotency_key", "must be one value of 1 to 255 visible ASCII characters")
}

var escapeKey = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// parseKey takes the key bare, as most clients send it, and as the draft specifies
// it, a quoted string (RFC 9651, section 3.3.3), which escapes quotes and backslashes
// only. Both name the same key.
func parseKey(value string) (string, bool) {
	if strings.HasPrefix(value, `"`) {
		content, rest, ok := quoted(value)
		if !ok || rest != "" || `"`+escapeKey.Replace(content)+`"` != value {
			return "", false
		}
		value = content
	}
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return "", false
		}
	}
	return value, value != "" && len(value) <= maxKeyBytes
}
