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
	MaxName        = 200
	maxDescription = 10_000
	MaxImages      = 20
	maxSourceBytes = 2048
	MaxEmailBytes  = 254
	MaxLimit       = 100
	DefaultLimit   = 20
)

// faults collects what is wrong with an input.
type FieldErrors []FieldError

func (f *FieldErrors) Add(field, code, format string, args ...any) {
	*f = append(*f, FieldError{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// err is nil where nothing was found wrong.
func (f FieldErrors) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &ValidationError{Fields: f}
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
func (n NewProduct) Validate() error {
	var f FieldErrors
	if n.UserID == 0 {
		f.Add("user_id", "required", "is required")
	}
	return append(f, n.ValidateFields()...).Err()
}

// validateFields checks all but the owner.
func (n NewProduct) ValidateFields() FieldErrors {
	var f FieldErrors
	f.CheckText("product_name", n.Name, 1, MaxName, false)
	f.CheckText("product_description", n.Description, 0, maxDescription, true)
	f.sources("product_images", n.Images)
	f.metadata("metadata", n.Metadata)
	f.externalID("external_id", n.ExternalID)
	return f
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
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

// text checks a text's length and characters. PostgreSQL cannot store NUL, and
// other control characters are never meant, line ends and tabs in prose excepted.
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

func (f *FieldErrors) sources(field string, sources []string) {
	if len(sources) > MaxImages {
		f.Add(field, "too_many", "must have at most %d elements, has %d", MaxImages, len(sources))
		return
	}
	for i, s := range sources {
		f.source(fmt.Sprintf("%s/%d", field, i), s)
	}
}

// source checks the form of an image's URL or of an upload's name. Whether a host
// may be fetched from is found out when it is, from the address that is dialled.
func (f *FieldErrors) source(field, s string) {
	switch {
	case s == "":
		f.Add(field, "required", "must not be empty")
		return
	case len(s) > maxSourceBytes:
		f.Add(field, "too_long", "must have at most %d bytes, has %d", maxSourceBytes, len(s))
		return
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		f.Add(field, "invalid_characters", "must be valid UTF-8 without spaces and control characters")
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
