// Package header reads the request headers that the API understands: Accept,
// Authorization, conditional requests, Forwarded and X-Forwarded-For,
// Idempotency-Key and Prefer.
//
// Of the project, it imports package problem only. Every header is read with the
// grammar in this file; begin there.
package header

import "strings"

// token reads a token (RFC 9110, section 5.6.2), which may be empty.
func token(s string) (text, rest string) {
	end := strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

// quoted reads a quoted string (RFC 9110, section 5.6.4), which begins with a quote.
func quoted(s string) (text, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// parameter reads token [ BWS "=" BWS word ] and the blanks after it. Without a
// token all is empty.
func parameter(s string) (name, value, rest string, ok bool) {
	name, rest = token(s)
	rest = trimBlanks(rest)
	if name == "" || !strings.HasPrefix(rest, "=") {
		return name, "", rest, true
	}
	rest, ok = trimBlanks(rest[1:]), true
	if strings.HasPrefix(rest, `"`) {
		value, rest, ok = quoted(rest)
	} else {
		value, rest = token(rest)
	}
	return name, value, trimBlanks(rest), ok
}

func trimBlanks(s string) string { return strings.TrimLeft(s, " \t") }
