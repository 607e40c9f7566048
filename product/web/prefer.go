package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the longest that an answer is held.
const maxWait = 30 * time.Second

// preferredWait reads how long the client is willing to wait for a better answer
// (RFC 7240, section 4.3), in whole seconds up to maxWait; 0 where it does not say.
// Preferences are optional: a header that cannot be read is none, and so is a
// number that cannot.
func preferredWait(values []string) time.Duration {
	text, ok := preference(strings.Join(values, ","), "wait")
	if !ok || text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // digits alone: it is a very large number
		return maxWait
	}
	return time.Duration(min(seconds, int64(maxWait/time.Second))) * time.Second
}

// preference gives the value of the first preference with a name (RFC 7240,
// section 2); ok is false where there is none, or the header's syntax is broken.
func preference(header, name string) (value string, ok bool) {
	for rest := header; ; {
		rest = strings.TrimLeft(rest, ", \t") // empty list elements are legal
		if rest == "" {
			return value, ok
		}
		key, text, after, valid := parameter(rest)
		if !valid || key == "" {
			return "", false
		}
		if !ok && strings.EqualFold(key, name) {
			value, ok = text, true
		}
		for strings.HasPrefix(after, ";") { // parameters of the preference: wait has none
			if _, _, after, valid = parameter(trimBlanks(after[1:])); !valid {
				return "", false
			}
		}
		if rest = after; rest != "" && rest[0] != ',' {
			return "", false
		}
	}
}

// parameter reads token [ BWS "=" BWS word ] and the blanks behind it. Without a
// token all is empty.
func parameter(s string) (name, value, rest string, ok bool) {
	name, rest = token(s)
	rest = trimBlanks(rest)
	if name == "" || !strings.HasPrefix(rest, "=") {
		return name, "", rest, true
	}
	rest = trimBlanks(rest[1:])
	if strings.HasPrefix(rest, `"`) {
		value, rest, ok = quoted(rest[1:])
	} else {
		value, rest = token(rest)
		ok = true
	}
	return name, value, trimBlanks(rest), ok
}

// token reads a token (RFC 9110, section 5.6.2), which may be empty here.
func token(s string) (text, rest string) {
	end := strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

// quoted reads a quoted-string (RFC 9110, section 5.6.4) behind its first quote.
func quoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
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

func trimBlanks(s string) string { return strings.TrimLeft(s, " \t") }

// prefer tells the client which wait it was given.
func prefer(h http.Header, wait time.Duration) {
	h.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
}
