package web

import "strings"

// lastForwarded takes the last element off a line of Forwarded (RFC 7239, section 4)
// and gives whom it was for. It reads the whole line, because a comma may stand in a
// quoted string, and it is strict: a line with anything in it that the grammar does
// not know is refused as a whole, since a client's part of it may try to swallow a
// proxy's.
func lastForwarded(line string) (before, entry string, ok bool) {
	rest, start := line, 0
	for {
		node, tail, ok := forwardedElement(rest)
		if !ok {
			return "", "", false
		}
		if tail == "" {
			return strings.TrimSuffix(line[:start], ","), node, true
		}
		rest = tail[1:] // the comma
		start = len(line) - len(rest)
	}
}

// forwardedElement reads one element: pairs of name and value with semicolons in
// between. It gives the value of the one named "for", and what follows.
func forwardedElement(s string) (node, tail string, ok bool) {
	for {
		name, after, found := strings.Cut(strings.TrimLeft(s, " \t"), "=")
		if !found || !isToken(name) {
			return "", "", false
		}
		var value string
		if value, s, ok = forwardedValue(after); !ok {
			return "", "", false
		}
		if strings.EqualFold(name, "for") {
			if node != "" {
				return "", "", false
			}
			node = value
		}
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return node, s, true
		}
		if s[0] != ';' {
			return "", "", false
		}
		s = s[1:]
	}
}

// forwardedValue reads a token or a quoted string.
func forwardedValue(s string) (value, tail string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t,;")
		if end < 0 {
			end = len(s)
		}
		// Addresses with a port should be quoted, for their colon; many are not.
		return s[:end], s[end:], isToken(strings.ReplaceAll(s[:end], ":", ""))
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			return "", "", false // no address needs it
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

// isToken says whether s is one (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}
