package contract

import (
	"slices"

	"vitrine/product/web/problem"
)

// Code is a code in a response, and its meaning.
type Code struct {
	Code    string
	Meaning string
}

// Faults lists the codes in the errors of a problem. The error of a header has its
// problem's code.
var Faults = []Code{
	{"required", "The value is missing, null or empty."},
	{"unknown_field", "The route has no such field; names are case-sensitive."},
	{"duplicate_field", "The field is repeated."},
	{"wrong_type", "The value does not have the JSON type of the field."},
	{"invalid", "The value is not allowed here."},
	{"invalid_id", "The value is not a whole number from 1 to 9007199254740991."},
	{"invalid_uuid", "The value is not a UUID in its usual form of 36 characters."},
	{"invalid_url", "The value is not an absolute http or https URL, or contains a user name."},
	{"invalid_email", "The value is not an e-mail address."},
	{"invalid_integer", "The value is not a 32-bit whole number, written without a fraction or exponent."},
	{"invalid_boolean", "The value is neither true nor false."},
	{"invalid_time", "The value is not a time in RFC 3339 format, or its year is not between 1 and 9999."},
	{"invalid_limit", "The value is not a whole number from 1 to 100."},
	{"invalid_characters", "The value contains control characters or spaces that are not allowed, or is not UTF-8."},
	{"nul_character", "The value contains the character U+0000."},
	{"too_long", "The value has more characters or bytes than the field allows."},
	{"too_many", "The array has more elements than the field allows."},
	{"too_precise", "The number has more decimals than the field allows."},
	{"out_of_range", "The value is lower or higher than the field, or a related field, allows."},
	{"unknown", "Nothing has this id."},
	{"unknown_upload", "The user has no such upload."},
	{"immutable", "The value cannot be changed."},
	{"taken", "The value must be unique and is already in use."},
	{"invalid_key", "A name in the object is empty, too long, or contains control characters."},
	{"unsupported_format", "The file is not a JPEG, PNG, GIF or WebP image."},
	{"invalid_event_id", "The value is not the id of an event."},
	{"conflict", "The field cannot be combined with another field."},
	{"exactly_one", "Exactly one of several fields, or a filter, is required."},
	{"other_sort", "The cursor belongs to a list with a different sort."},
	{"other_filter", "The cursor belongs to a list with a different filter."},
	{"no_words", "The text contains no searchable word."},
	{"not_applicable", "The parameter cannot be combined with another parameter."},
	{"unknown_parameter", "The route has no such query parameter."},
	{"repeated_parameter", "The query parameter is repeated."},
	{"malformed_parameter", "The query parameter is not percent-encoded UTF-8, or contains control characters."},
}

// Pictures lists the codes of an image that failed.
var Pictures = []Code{
	{"invalid_url", "The source is not an absolute http or https URL, or contains credentials."},
	{"forbidden_address", "The host has no public address."},
	{"forbidden_port", "The port is not allowed; only 80 and 443 are."},
	{"forbidden_redirect", "The source redirected more than 3 times, or from https to http."},
	{"host_not_found", "The host does not exist, or its name could not be resolved."},
	{"connect_failed", "The connection was refused, reset or interrupted, or the certificate is not valid."},
	{"fetch_timeout", "The download took too long."},
	{"source_not_found", "The source responded with 404 or 410."},
	{"source_denied", "The source responded with 401, 403 or a similar status."},
	{"source_rejected", "The source responded with something else that is not an image."},
	{"source_unavailable", "The source responded with 429 or 5xx, even after retries."},
	{"upload_not_found", "The upload does not exist."},
	{"body_too_large", "The file is larger than the service accepts."},
	{"unsupported_format", "The file is not a JPEG, PNG, GIF or WebP image, or is an animated WebP."},
	{"corrupt_image", "The image is damaged or incomplete."},
	{"image_too_large", "The image has more pixels than the service accepts."},
	{"decode_timeout", "Decoding the image took too long."},
	{"source_changed", "The source is now a different image. This code occurs in the attempts of ready images only: reprocess the product to use the new image."},
	{"store_unavailable", "The object store is unavailable; the image is retried until the store is available again."},
	{"worker_crashed", "Every attempt ended with a crash of its worker process."},
	{"internal", "The service has a defect; its log has the details."},
}

// codesOf returns the codes of a table by its name in the document.
func codesOf(table string) []any {
	var codes []any
	add := func(list []Code) {
		for _, c := range list {
			codes = append(codes, c.Code)
		}
	}
	switch table {
	case "problems":
		for _, p := range problem.Kinds {
			if p.Status != problem.StatusClientClosed {
				codes = append(codes, p.Code)
			}
		}
	case "faults":
		add(Faults)
		for _, code := range headerFaults {
			if !slices.Contains(codes, any(code)) {
				codes = append(codes, code)
			}
		}
	case "pictures":
		add(Pictures)
	}
	return codes
}

// headerFaults are the codes of problems whose errors name a header, with the same code.
var headerFaults = []string{
	"invalid_entity_tag", "invalid_version", "invalid_event_id", "invalid_idempotency_key", "not_supported",
	"idempotency_in_progress", "idempotency_key_reused", "version_not_reached",
}
