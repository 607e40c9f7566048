package storage

import (
	"encoding/json"
	"fmt"
	"slices"
)

// policyDocument is a bucket policy. Its statements are kept as raw JSON, so that those of
// others stay unchanged.
type policyDocument struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

type statement struct {
	Effect    string                     `json:"Effect"`
	Principal principal                  `json:"Principal"`
	Action    stringOrList               `json:"Action"`
	Resource  stringOrList               `json:"Resource"`
	Condition map[string]json.RawMessage `json:"Condition,omitempty"`
}

// withPublicRead returns the policy held, which may be empty, with a statement that makes
// the objects under PublicPrefix public. changed is false if held already has one.
func withPublicRead(held, bucket string) (policy string, changed bool, err error) {
	doc := policyDocument{Version: "2012-10-17"}
	if held != "" {
		if err := json.Unmarshal([]byte(held), &doc); err != nil {
			return "", false, fmt.Errorf("storage: bucket policy: %w", err)
		}
	}
	resource := "arn:aws:s3:::" + bucket + "/" + PublicPrefix + "*"
	for _, raw := range doc.Statement {
		var s statement
		// Statements that do not parse, such as those with NotPrincipal, do not count.
		if json.Unmarshal(raw, &s) == nil && s.grantsRead(resource) {
			return held, false, nil
		}
	}
	added, err := json.Marshal(map[string]any{
		"Effect":    "Allow",
		"Principal": map[string][]string{"AWS": {"*"}},
		"Action":    []string{"s3:GetObject"},
		"Resource":  []string{resource},
	})
	if err != nil {
		return "", false, fmt.Errorf("storage: bucket policy: %w", err)
	}
	doc.Statement = append(doc.Statement, added)
	text, err := json.Marshal(doc)
	if err != nil {
		return "", false, fmt.Errorf("storage: bucket policy: %w", err)
	}
	return string(text), true, nil
}

func (s statement) grantsRead(resource string) bool {
	return s.Effect == "Allow" && bool(s.Principal) && len(s.Condition) == 0 &&
		slices.Contains(s.Action, "s3:GetObject") && slices.Contains(s.Resource, resource)
}

// principal is true if it includes everyone: "*" or {"AWS": "*"} or {"AWS": ["*"]}.
type principal bool

// UnmarshalJSON implements [json.Unmarshaler].
func (p *principal) UnmarshalJSON(text []byte) error {
	var all string
	if json.Unmarshal(text, &all) == nil {
		*p = all == "*"
		return nil
	}
	var named map[string]stringOrList
	if err := json.Unmarshal(text, &named); err != nil {
		return err
	}
	*p = principal(slices.Contains(named["AWS"], "*"))
	return nil
}

// stringOrList is a list that policies may write as a single string.
type stringOrList []string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *stringOrList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = stringOrList{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}
