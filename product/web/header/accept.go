package header

import (
	"strconv"
	"strings"
)

// PrefersWebP reports whether a client that sent these Accept fields prefers an image
// in WebP to one in another format. It has to name WebP: many clients that cannot
// show it accept anything.
func PrefersWebP(values []string, other string) bool {
	ranges := parseAccept(values)
	webp, named := ranges["image/webp"]
	return named && webp > 0 && webp >= ranges.quality(other)
}

// accepted has the quality of each media range that a client accepts, from 0 (not
// accepted) to 1,000.
type accepted map[string]int

// quality returns the quality of a media type. The most specific range counts (RFC
// 9110, section 12.5.1).
func (a accepted) quality(mediaType string) int {
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, mediaRange := range []string{mediaType, kind + "/*", "*/*"} {
		if q, ok := a[mediaRange]; ok {
			return q
		}
	}
	return 0
}

// parseAccept reads the header's media ranges. A malformed range is ignored, up to
// the next comma; the first of two equal ranges counts.
func parseAccept(values []string) accepted {
	ranges := accepted{}
	for rest := strings.Join(values, ","); ; {
		rest = strings.TrimLeft(rest, ", \t") // empty list elements are legal
		if rest == "" {
			return ranges
		}
		mediaRange, q, after, ok := mediaRange(rest)
		if !ok {
			_, rest, _ = strings.Cut(rest, ",")
			continue
		}
		if _, twice := ranges[mediaRange]; !twice {
			ranges[mediaRange] = q
		}
		rest = after
	}
}

// mediaRange reads type "/" subtype and its parameters, of which q is its quality.
// Parameters before q narrow the range to types that no variant has; they become part
// of its name.
func mediaRange(s string) (name string, quality int, rest string, ok bool) {
	kind, rest := token(s)
	if kind == "" || !strings.HasPrefix(rest, "/") {
		return "", 0, "", false
	}
	subtype, rest := token(rest[1:])
	if subtype == "" {
		return "", 0, "", false
	}
	name, quality = strings.ToLower(kind+"/"+subtype), 1000
	weighed := false
	for rest = trimBlanks(rest); strings.HasPrefix(rest, ";"); {
		var key, value string
		key, value, rest, ok = parameter(trimBlanks(rest[1:]))
		switch {
		case !ok:
			return "", 0, "", false
		case weighed || key == "": // an extension, or nothing
		case !strings.EqualFold(key, "q"):
			name += ";" + strings.ToLower(key) + "=" + value
		default:
			weighed = true
			if quality, ok = qualityOf(value); !ok {
				return "", 0, "", false
			}
		}
	}
	return name, quality, rest, rest == "" || rest[0] == ','
}

// qualityOf reads a weight of up to three decimals (RFC 9110, section 12.4.2), in
// thousandths.
func qualityOf(text string) (thousandths int, ok bool) {
	whole, decimals, _ := strings.Cut(text, ".")
	if whole != "0" && whole != "1" || len(decimals) > 3 || strings.Trim(decimals, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(whole + (decimals + "000")[:3])
	return n, err == nil && n <= 1000
}
