package header

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the longest time that an answer is held back.
const maxWait = 30 * time.Second

// PreferredWait returns how long the client is willing to wait for a better answer
// (RFC 7240, section 4.3), in whole seconds up to 30; 0 if it does not say. Prefer is
// optional to honour, so a malformed header or number is ignored.
func PreferredWait(values []string) time.Duration {
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

// preference returns the value of the first preference with a name (RFC 7240,
// section 2); ok is false if there is none or the header is malformed.
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

// SetPreferenceApplied tells the client which wait was granted.
func SetPreferenceApplied(h http.Header, wait time.Duration) {
	h.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
}
