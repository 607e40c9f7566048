package header

import (
	"net/netip"
	"strings"
)

// lastForwarded takes the last element off a line of Forwarded (RFC 7239, section 4)
// and returns the node in its "for". It reads the whole line, because a quoted string
// may contain a comma, and it is strict: a line that does not follow the grammar is
// refused as a whole, since a client's part of it may try to hide a proxy's.
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

// forwardedElement reads one element: pairs of name and value, separated by
// semicolons. It returns the value of "for" and what follows the element.
func forwardedElement(s string) (node, tail string, ok bool) {
	for {
		name, after := token(trimBlanks(s))
		after, found := strings.CutPrefix(after, "=")
		if name == "" || !found {
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
		s = trimBlanks(s)
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
	if strings.HasPrefix(s, `"`) {
		value, tail, ok = quoted(s)
		escaped := len(value)+2 < len(s)-len(tail) // no address needs that
		return value, tail, ok && !escaped
	}
	end := strings.IndexAny(s, " \t,;")
	if end < 0 {
		end = len(s)
	}
	// Addresses with a port should be quoted, for their colon; many are not.
	_, rest := token(strings.ReplaceAll(s[:end], ":", ""))
	return s[:end], s[end:], rest == "" && strings.Trim(s[:end], ":") != ""
}

// lastForwardedFor takes the last entry off a line of X-Forwarded-For.
func lastForwardedFor(line string) (before, entry string, ok bool) {
	if i := strings.LastIndexByte(line, ','); i >= 0 {
		before, line = line[:i], line[i+1:]
		if before == "" {
			before = "," // so that the empty entry in front is seen
		}
	}
	return before, strings.Trim(line, " \t"), true
}

// parseNode reads an address with or without a port. IPv6 has brackets where there is
// a port, and may have them without one.
func parseNode(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if inner, found := strings.CutPrefix(text, "["); found && strings.HasSuffix(inner, "]") {
			addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
			if err == nil && !addr.Is6() {
				return netip.Addr{}, false
			}
		} else {
			var both netip.AddrPort
			both, err = netip.ParseAddrPort(text)
			addr = both.Addr()
		}
	}
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}
