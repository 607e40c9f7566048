package fetch

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"vitrine/imaging"
)

// ErrNotModified means that a source has not changed since the known validators.
var ErrNotModified = errors.New("source has not changed")

// The most bytes that are kept of a validator. No form of a date needs more.
const (
	maxETag     = 256
	maxModified = 40
)

// validatorsOf returns a response's ETag and Last-Modified, for conditional requests. It
// omits those that are malformed or too long to be sent back.
func validatorsOf(h http.Header, now time.Time) imaging.Validators {
	var v imaging.Validators
	if tag := h.Get("ETag"); validETag(tag) {
		v.ETag = tag
	}
	modified := h.Get("Last-Modified")
	at, err := http.ParseTime(modified)
	if err != nil || len(modified) > maxModified {
		return v
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		sent = now
	}
	// The date has a resolution of one second. A source that changed within the second
	// of the response may change again within it (RFC 9110, section 8.8.2.2).
	if sent.Sub(at) >= time.Second {
		v.LastModified = modified
	}
	return v
}

// validETag reports whether tag is an entity tag (RFC 9110, section 8.8.3) of ASCII
// characters.
func validETag(tag string) bool {
	opaque := strings.TrimPrefix(tag, "W/")
	if len(tag) > maxETag || len(opaque) < 2 || opaque[0] != '"' || opaque[len(opaque)-1] != '"' {
		return false
	}
	for _, c := range []byte(opaque[1 : len(opaque)-1]) {
		if c != '!' && (c < '#' || c > '~') {
			return false
		}
	}
	return true
}

// setConditions makes a request conditional on a changed source. A server that supports
// both conditions uses the ETag.
func setConditions(h http.Header, known imaging.Validators) {
	if known.ETag != "" {
		h.Set("If-None-Match", known.ETag)
	}
	if known.LastModified != "" {
		h.Set("If-Modified-Since", known.LastModified)
	}
}
