package product

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"vitrine/imaging"
)

// The bounds of the fields, in characters unless a name says bytes.
const (
	maxName        = 200
	maxDescription = 10_000
	maxImages      = 20
	maxSourceBytes = 2048
	maxEmailBytes  = 254
	maxLimit       = 100
	defaultLimit   = 20
)

// faults collects what is wrong with an input.
type faults []FieldError

func (f *faults) add(field, code, format string, args ...any) {
	*f = append(*f, FieldError{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// err is nil where nothing was found wrong.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &ValidationError{Fields: f}
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
func (n NewProduct) Validate() error {
	var f faults
	if n.UserID == 0 {
		f.add("user_id", "required", "is required")
	}
	return append(f, n.validateFields()...).err()
}

// validateFields checks all but the owner.
func (n NewProduct) validateFields() faults {
	var f faults
	f.text("product_name", n.Name, 1, maxName, false)
	f.text("product_description", n.Description, 0, maxDescription, true)
	f.sources("product_images", n.Images)
	f.metadata("metadata", n.Metadata)
	f.externalID("external_id", n.ExternalID)
	return f
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
func (p Patch) Validate() error {
	var f faults
	if p.Name != nil {
		f.text("product_name", *p.Name, 1, maxName, false)
	}
	if p.Description != nil {
		f.text("product_description", *p.Description, 0, maxDescription, true)
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
	return f.err()
}

// text checks a text's length and characters. PostgreSQL cannot store NUL, and
// other control characters are never meant, line ends and tabs in prose excepted.
func (f *faults) text(field, s string, least, most int, prose bool) {
	if !utf8.ValidString(s) {
		f.add(field, "invalid_characters", "must be valid UTF-8")
		return
	}
	for _, r := range s {
		if unicode.IsControl(r) && (!prose || !strings.ContainsRune("\n\r\t", r)) {
			f.add(field, "invalid_characters", "must not contain the control character %U", r)
			return
		}
	}
	switch n := utf8.RuneCountInString(s); {
	case least > 0 && strings.TrimSpace(s) == "":
		f.add(field, "required", "must not be empty")
	case n > most:
		f.add(field, "too_long", "must have at most %d characters, has %d", most, n)
	}
}

func (f *faults) sources(field string, sources []string) {
	if len(sources) > maxImages {
		f.add(field, "too_many", "must have at most %d elements, has %d", maxImages, len(sources))
		return
	}
	for i, s := range sources {
		f.source(fmt.Sprintf("%s/%d", field, i), s)
	}
}

// source checks the form of an image's URL or of an upload's name. Whether a host
// may be fetched from is found out when it is, from the address that is dialled.
func (f *faults) source(field, s string) {
	switch {
	case s == "":
		f.add(field, "required", "must not be empty")
		return
	case len(s) > maxSourceBytes:
		f.add(field, "too_long", "must have at most %d bytes, has %d", maxSourceBytes, len(s))
		return
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		f.add(field, "invalid_characters", "must be valid UTF-8 without spaces and control characters")
		return
	}
	if strings.HasPrefix(s, imaging.UploadScheme) {
		if _, ok := parseUploadSource(s); !ok {
			f.unknownUpload(field)
		}
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		f.add(field, "invalid_url", "must be an absolute http or https URL")
	case u.User != nil:
		f.add(field, "invalid_url", "must not contain a user name or password")
	}
}
