package contract

import "slices"

// Code is a word that an answer has for programs, and what it means.
type Code struct {
	Code    string
	Meaning string
}

// Faults lists the codes of the single things that are wrong with a request: the
// code of each entry of a problem's errors. A fault of a header has its problem's
// code.
var Faults = []Code{
	{"required", "It has to be there, and must not be null or empty."},
	{"unknown_field", "The route has no such field; names are case-sensitive."},
	{"duplicate_field", "The field is given more than once."},
	{"wrong_type", "The value is of another JSON type than the field wants."},
	{"invalid", "The value is none that can stand here."},
	{"invalid_id", "It is not a whole number from 1 to 9007199254740991."},
	{"invalid_uuid", "It is not a UUID in its usual form of 36 characters."},
	{"invalid_url", "It is not an absolute http or https URL, or has a user name in it."},
	{"invalid_email", "It is not an e-mail address."},
	{"invalid_integer", "It is not a whole number written without fraction and exponent, or a huge one."},
	{"invalid_boolean", "It is neither true nor false."},
	{"invalid_time", "It is not a time of RFC 3339, or its year is not one from 1 to 9999."},
	{"invalid_limit", "It is not a whole number from 1 to 100."},
	{"invalid_characters", "It has control characters, spaces where there can be none, or is not UTF-8."},
	{"nul_character", "It has the character U+0000."},
	{"too_long", "It has more characters, or bytes, than the field takes."},
	{"too_many", "The array has more elements than the field takes."},
	{"too_precise", "The number has more decimals than the field takes."},
	{"out_of_range", "The value is lower or higher than the field, or a field beside it, allows."},
	{"unknown", "It is the id of nothing."},
	{"unknown_upload", "It names an upload that the user has not made."},
	{"immutable", "It cannot be changed."},
	{"taken", "Something else has this value, which has to be unique."},
	{"invalid_key", "A name in the object is empty, too long, or has control characters."},
	{"unsupported_format", "The file is not a JPEG, PNG, GIF or WebP picture."},
	{"invalid_event_id", "It is not the id of an event."},
	{"conflict", "It cannot be given together with another field."},
	{"exactly_one", "Exactly one of several fields, or a filter, has to be given."},
	{"other_sort", "The cursor was given for another sort."},
	{"other_filter", "The cursor was given for another filter."},
	{"no_words", "There is no word in it to look for."},
	{"not_applicable", "The parameter has no meaning together with another one."},
	{"unknown_parameter", "The route has no such query parameter."},
	{"repeated_parameter", "The query parameter is given more than once."},
	{"malformed_parameter", "The query parameter is not percent-encoded UTF-8 without control characters."},
}

// Pictures lists the codes of a picture that failed.
var Pictures = []Code{
	{"invalid_url", "It is not an absolute http or https URL, or has credentials in it."},
	{"forbidden_address", "The host has no public address."},
	{"forbidden_port", "The port is neither 80 nor 443."},
	{"forbidden_redirect", "There were more than 3 redirects, or one from https to http."},
	{"host_not_found", "The host's name does not exist, or could not be looked up."},
	{"connect_failed", "The connection was refused, reset or broken off, or the certificate is bad."},
	{"fetch_timeout", "The whole download took too long."},
	{"source_not_found", "The source answered 404 or 410."},
	{"source_denied", "The source answered 401, 403 or the like."},
	{"source_rejected", "The source gave any other answer that is no picture."},
	{"source_unavailable", "The source answered 429 or 5xx, also after retries."},
	{"upload_not_found", "Nothing was uploaded under the source's name."},
	{"body_too_large", "The file is larger than the service takes."},
	{"unsupported_format", "The file is not a JPEG, PNG, GIF or WebP picture, or is an animated WebP."},
	{"corrupt_image", "The picture is damaged or incomplete."},
	{"image_too_large", "The picture has more pixels than the service takes."},
	{"decode_timeout", "Decoding the picture cost too much time."},
	{"source_changed", "The source is another picture by now. Only a ready picture has it, in its tries: reprocess takes the new one."},
	{"store_unavailable", "The object store is out of reach; tried again for ever."},
	{"worker_crashed", "Every try ended the process that made it."},
	{"internal", "A defect of the service; its log has more."},
}

// codesOf gives the codes of a table by the name that the document has for it.
func codesOf(table string) []any {
	var codes []any
	add := func(list []Code) {
		for _, c := range list {
			codes = append(codes, c.Code)
		}
	}
	switch table {
	case "problems":
		for _, p := range Problems {
			if p.Status != statusClientClosed {
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

// headerFaults are the problems whose errors name a header, with the same code.
var headerFaults = []string{
	"invalid_entity_tag", "invalid_version", "invalid_event_id", "invalid_idempotency_key", "not_supported",
	"idempotency_in_progress", "idempotency_key_reused", "version_not_reached",
}
