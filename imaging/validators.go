package imaging

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// ErrNotModified says that a source is still what it was.
var ErrNotModified = errors.New("source has not changed")

// What is kept of a source's validators at most, in bytes; no form of a date needs
// more.
const (
	maxETag     = 256
	maxModified = 40
)

// Validators tell the versions of a source apart (RFC 9110, section 8.8). The zero
// value is none.
type Validators struct {
	ETag         string // with its quotes; a weak one with W/
	LastModified string // as it was given, an HTTP date
}

// validators gives what an answer can be asked for again by. What is not well
// formed, or longer than it needs to be, is left out: it would have to be sent back.
func validators(h http.Header, now time.Time) Validators {
	var v Validators
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
	// A date counts whole seconds: what was changed within the one in which it was
	// sent may have been changed once more after that (RFC 9110, section 8.8.2.2).
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

// ask makes a request one for a changed source only. A source that knows both
// conditions goes by the tag.
func (v Validators) ask(h http.Header) {
	if v.ETag != "" {
		h.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		h.Set("If-Modified-Since", v.LastModified)
	}
}
