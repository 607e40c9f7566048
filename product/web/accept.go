package web

import (
	"strconv"
	"strings"
)

// prefersWebP says whether a client that sent these Accept fields wants an image in
// WebP rather than in another format. It has to name WebP: many that cannot show it
// say that they take anything.
func prefersWebP(values []string, other string) bool {
	ranges := parseAccept(values)
	webp, named := ranges["image/webp"]
	return named && webp > 0 && webp >= ranges.quality(other)
}

// accepted is what a client can show: media ranges without parameters, and how much
// it likes each, from 0 (not at all) to 1,000.
type accepted map[string]int

// quality gives that of a media type: the most specific range counts (RFC 9110,
// section 12.5.1).
func (a accepted) quality(mediaType string) int {
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, mediaRange := range []string{mediaType, kind + "/*", "*/*"} {
		if q, ok := a[mediaRange]; ok {
			return q
		}
	}
	return 0
}

// parseAccept reads the header's media ranges. What cannot be read counts as not
// said, up to the next comma; of a range that is said twice the first counts.
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

// mediaRange reads type "/" subtype and its parameters, of which the one named q is
// its quality. Where there are others before that, the range is one of types that no
// variant has, and gets a name of its own.
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
