package product

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"vitrine/imaging"
)

// The limits of fields, in characters unless a name ends in Bytes, and of lists.
const (
	MaxName        = 200
	maxDescription = 10_000
	MaxImages      = 20 // of a product
	maxSourceBytes = 2048
	maxStoredBytes = 2000 // of text from outside, see [SanitizeText]
	MaxLimit       = 100  // items of a page
	DefaultLimit   = 20   // items of a page
)

// FieldErrors collects the errors of an input's fields. The zero value is ready to use.
type FieldErrors []FieldError

// Add adds an error. format and args make its Detail.
func (f *FieldErrors) Add(field, code, format string, args ...any) {
	*f = append(*f, FieldError{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Err returns the errors as a [*ValidationError], or nil if f is empty.
func (f FieldErrors) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &ValidationError{Fields: f}
}

// Validate returns a [*ValidationError] that lists every invalid field, or nil.
func (n NewProduct) Validate() error {
	var f FieldErrors
	if n.UserID == 0 {
		f.Add("user_id", "required", "is required")
	}
	return append(f, n.ValidateFields()...).Err()
}

// ValidateFields checks all fields but the owner.
func (n NewProduct) ValidateFields() FieldErrors {
	var f FieldErrors
	f.CheckText("product_name", n.Name, 1, MaxName, false)
	f.CheckText("product_description", n.Description, 0, maxDescription, true)
	f.sources("product_images", n.Images)
	f.metadata("metadata", n.Metadata)
	f.externalID("external_id", n.ExternalID)
	return f
}

// Validate returns a [*ValidationError] that lists every invalid field, or nil.
func (p Patch) Validate() error {
	var f FieldErrors
	if p.Name != nil {
		f.CheckText("product_name", *p.Name, 1, MaxName, false)
	}
	if p.Description != nil {
		f.CheckText("product_description", *p.Description, 0, maxDescription, true)
	}
	if p.Images != nil {
		f.sources("product_images", *p.Images)
	}
	if p.Metadata != nil {
		f.metadata("metadata", p.Metadata.set())
	}
	if p.ExternalID != nil {
		f.externalID("external_id", *p.ExternalID)
	}
	return f.Err()
}

// CheckText checks the length of a text, in characters, and refuses control characters:
// PostgreSQL cannot store NUL, and the others are never intended. Prose may contain line
// breaks and tabs.
func (f *FieldErrors) CheckText(field, s string, least, most int, prose bool) {
	if !utf8.ValidString(s) {
		f.Add(field, "invalid_characters", "must be valid UTF-8")
		return
	}
	for _, r := range s {
		if unicode.IsControl(r) && (!prose || !strings.ContainsRune("\n\r\t", r)) {
			f.Add(field, "invalid_characters", "must not contain the control character %U", r)
			return
		}
	}
	switch n := utf8.RuneCountInString(s); {
	case least > 0 && strings.TrimSpace(s) == "":
		f.Add(field, "required", "must not be empty")
	case n > most:
		f.Add(field, "too_long", "must have at most %d characters, has %d", most, n)
	}
}

// sources checks the list of a product's image sources.
func (f *FieldErrors) sources(field string, sources []string) {
	if len(sources) > MaxImages {
		f.Add(field, "too_many", "must have at most %d elements, has %d", MaxImages, len(sources))
		return
	}
	for i, s := range sources {
		f.source(fmt.Sprintf("%s/%d", field, i), s)
	}
}

// source checks the form of an image's URL or upload source. Whether a host is allowed is
// checked during the fetch, on the address that is dialled.
func (f *FieldErrors) source(field, s string) {
	switch {
	case s == "":
		f.Add(field, "required", "must not be empty")
		return
	case len(s) > maxSourceBytes:
		f.Add(field, "too_long", "must have at most %d bytes, has %d", maxSourceBytes, len(s))
		return
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		f.Add(field, "invalid_characters", "must be valid UTF-8 without spaces or control characters")
		return
	}
	if strings.HasPrefix(s, imaging.UploadScheme) {
		if _, ok := ParseUploadSource(s); !ok {
			f.AddUnknownUpload(field)
		}
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		f.Add(field, "invalid_url", "must be an absolute http or https URL")
	case u.User != nil:
		f.Add(field, "invalid_url", "must not contain a user name or password")
	}
}

// SanitizeText returns s in a form that PostgreSQL can store: valid UTF-8 without NUL, cut
// to 2,000 bytes. It is for text from outside that must be recorded in any case, such as
// the detail of an image's failure.
func SanitizeText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	if len(s) > maxStoredBytes {
		s = strings.ToValidUTF8(s[:maxStoredBytes], "")
	}
	return s
}
