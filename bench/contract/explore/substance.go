package explore

import (
	"encoding/json"
	"slices"

	"vitrine/bench/contract/conform"
)

// The faults that no schema describes: they depend on stored data, on the owner of the
// key, or on another field or parameter.
var (
	substance      = []string{"unknown", "taken", "exactly_one", "unknown_upload", "immutable"}
	substanceQuery = []string{"unknown", "exactly_one", "not_applicable", "out_of_range", "no_words"}
	substanceAt    = map[string]string{"/user_id": "required", "/position": "out_of_range", "/metadata": "too_many"}
)

// ofSubstance reports whether an answer refuses a request for its content and not for
// its form.
func ofSubstance(a conform.Answer) bool {
	switch a.Status {
	case 400, 413, 415, 422:
	default:
		return true
	}
	var p struct {
		Code   string `json:"code"`
		Errors []struct {
			Pointer   string `json:"pointer"`
			Parameter string `json:"parameter"`
			Code      string `json:"code"`
		} `json:"errors"`
	}
	if len(a.Body) == 0 { // of a HEAD
		return true
	}
	if json.Unmarshal(a.Body, &p) != nil {
		return false
	}
	if p.Code == "idempotency_key_reused" || p.Code == "file_too_large" {
		return true
	}
	for _, e := range p.Errors {
		codes := substance
		if e.Parameter != "" {
			codes = substanceQuery
		}
		if !slices.Contains(codes, e.Code) && substanceAt[e.Pointer] != e.Code {
			return false
		}
	}
	return len(p.Errors) > 0
}
