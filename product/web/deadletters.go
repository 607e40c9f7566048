package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"vitrine/product"
)

// What the queries of the dead letters may have: each route its own on top of
// the filters.
var (
	letterFilters    = []string{"code", "stage", "host", "fingerprint", "product_id", "replayed", "created_after", "created_before"}
	letterParameters = append([]string{"limit", "cursor", "group"}, letterFilters...)
	deleteParameters = append([]string{"all"}, letterFilters...)
)

// letterBody is a dead letter on the wire.
type letterBody struct {
	ID               uuid.UUID  `json:"id"`
	ImageID          *uuid.UUID `json:"image_id"`
	ProductID        *int64     `json:"product_id"`
	Generation       *int64     `json:"generation"`
	Reason           string     `json:"reason"`
	Code             string     `json:"code"`
	Stage            string     `json:"stage"`
	Host             string     `json:"host"`
	Detail           string     `json:"detail"`
	Fingerprint      string     `json:"fingerprint"`
	RequestID        string     `json:"request_id"`
	Payload          string     `json:"payload"`
	PayloadEncoding  string     `json:"payload_encoding"` // text or base64
	PayloadBytes     int        `json:"payload_bytes"`
	PayloadTruncated bool       `json:"payload_truncated"`
	PayloadSHA256    string     `json:"payload_sha256"`
	CreatedAt        time.Time  `json:"created_at"`
	ReplayedAt       *time.Time `json:"replayed_at"`
}

// causeBody is a group of dead letters on the wire.
type causeBody struct {
	Fingerprint string    `json:"fingerprint"`
	Code        string    `json:"code"`
	Stage       string    `json:"stage"`
	Host        string    `json:"host"`
	Count       int64     `json:"count"`
	Replayed    int64     `json:"replayed"`
	Oldest      time.Time `json:"oldest"`
	Newest      time.Time `json:"newest"`
	Example     struct {
		ID     uuid.UUID `json:"id"`
		Detail string    `json:"detail"`
	} `json:"example"`
}

func (a *api) listDeadLetters(w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r.URL.RawQuery, letterParameters)
	filter := q.letterFilter()
	filter.Limit, filter.Cursor = q.limit(), q.values["cursor"]
	group, grouped := q.values["group"]
	if grouped && group != "cause" {
		q.fault("group", "invalid", "must be cause")
	}
	if _, paged := q.values["cursor"]; grouped && paged {
		q.fault("cursor", "not_applicable", "has no meaning with group")
	}
	if err := q.verdict(filter); err != nil {
		return err
	}
	var page product.Page
	var err error
	if grouped {
		page, err = a.causes(r, filter)
	} else {
		page, err = a.letters(r, filter)
	}
	if err != nil {
		return inQuery(err)
	}
	if page.Next != "" {
		w.Header().Set("Link", "<"+nextPage(r, letterParameters, page.Next)+`>; rel="next"`) // RFC 8288
	}
	sendPage(w, r, page, "Dead letters retrieved successfully")
	return nil
}

func (a *api) letters(r *http.Request, filter product.DeadLetterFilter) (product.Page, error) {
	found, err := a.service.DeadLetters(r.Context(), filter)
	if err != nil {
		return product.Page{}, err
	}
	page := product.Page{Next: found.Next, HasMore: found.HasMore}
	for _, l := range found.Letters {
		item, err := json.Marshal(letterOf(l))
		if err != nil {
			return product.Page{}, fmt.Errorf("encode dead letter: %w", err)
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

func (a *api) causes(r *http.Request, filter product.DeadLetterFilter) (product.Page, error) {
	found, more, err := a.service.DeadLetterGroups(r.Context(), filter)
	if err != nil {
		return product.Page{}, err
	}
	page := product.Page{HasMore: more}
	for _, g := range found {
		body := causeBody{
			Fingerprint: g.Fingerprint, Code: g.Code, Stage: g.Stage, Host: g.Host,
			Count: g.Count, Replayed: g.Replayed, Oldest: g.Oldest.UTC(), Newest: g.Newest.UTC(),
		}
		body.Example.ID, body.Example.Detail = g.ExampleID, g.ExampleDetail
		item, err := json.Marshal(body)
		if err != nil {
			return product.Page{}, fmt.Errorf("encode group of dead letters: %w", err)
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

func letterOf(l product.DeadLetter) letterBody {
	body := letterBody{
		ID: l.ID, ImageID: l.ImageID, ProductID: l.ProductID, Generation: l.Generation, Reason: l.Reason,
		Code: l.Code, Stage: l.Stage, Host: l.Host, Detail: l.Detail, Fingerprint: l.Fingerprint, RequestID: l.RequestID,
		PayloadBytes: l.PayloadBytes, PayloadTruncated: l.PayloadBytes > len(l.Payload), PayloadSHA256: l.PayloadSHA256,
		CreatedAt: l.CreatedAt.UTC(), ReplayedAt: inUTC(l.ReplayedAt),
	}
	text := l.Payload
	if body.PayloadTruncated {
		text = text[:lastBoundary(text)]
	}
	if isJSON(text, body.PayloadTruncated) {
		body.Payload, body.PayloadEncoding = string(text), "text"
	} else {
		body.Payload, body.PayloadEncoding = base64.StdEncoding.EncodeToString(l.Payload), "base64"
	}
	return body
}

// isJSON reports whether text is one JSON document in UTF-8, or the beginning of
// one where its end is cut off.
func isJSON(text []byte, cut bool) bool {
	if !utf8.Valid(text) {
		return false
	}
	if !cut {
		return json.Valid(text)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		_, err := dec.Token()
		if err != nil {
			return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		}
	}
}

// lastBoundary is where a text ends whose last character may be cut in two.
func lastBoundary(text []byte) int {
	n := len(text)
	for n > 0 && n > len(text)-utf8.UTFMax && !utf8.RuneStart(text[n-1]) {
		n--
	}
	if n > 0 && !utf8.FullRune(text[n-1:]) {
		return n - 1
	}
	return len(text)
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}

func (a *api) deleteDeadLetter(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "id")
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	if err := a.service.DeleteDeadLetter(r.Context(), id); err != nil {
		return err
	}
	send(w, r, http.StatusOK, []byte(`{"deleted":1}`), "Dead letter deleted successfully")
	return nil
}

// deleteDeadLetters wants a filter, or all=true: a script whose filter came out
// empty must not delete everything.
func (a *api) deleteDeadLetters(w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r.URL.RawQuery, deleteParameters)
	filter := q.letterFilter()
	all := q.flag("all")
	if all != nil && !*all {
		q.fault("all", "invalid", "must be true where it is given")
	}
	if err := q.verdict(filter); err != nil {
		return err
	}
	n, err := a.service.DeleteDeadLetters(r.Context(), filter, all != nil)
	if err != nil {
		return inQuery(err)
	}
	send(w, r, http.StatusOK, fmt.Appendf(nil, `{"deleted":%d}`, n), "Dead letters deleted successfully")
	return nil
}

// letterFilter reads the parameters that select dead letters.
func (q *parameters) letterFilter() product.DeadLetterFilter {
	return product.DeadLetterFilter{
		Code: q.text("code"), Stage: q.text("stage"), Host: q.text("host"), Fingerprint: q.text("fingerprint"),
		ProductID: q.number("product_id"), Replayed: q.flag("replayed"),
		CreatedAfter: q.time("created_after"), CreatedBefore: q.time("created_before"),
	}
}

// text gives a parameter's value, nil where there is none.
func (q *parameters) text(name string) *string {
	text, ok := q.values[name]
	if !ok {
		return nil
	}
	return &text
}

// flag reads true or false, nil where there is none.
func (q *parameters) flag(name string) *bool {
	text, ok := q.values[name]
	if !ok {
		return nil
	}
	value := text == strconv.FormatBool(true)
	if !value && text != strconv.FormatBool(false) {
		q.fault(name, "invalid_boolean", "must be true or false")
	}
	return &value
}

// time reads a time, nil where there is none.
func (q *parameters) time(name string) *time.Time {
	text, ok := q.values[name]
	if !ok {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC() // PostgreSQL takes fewer offsets than RFC 3339 has
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		q.fault(name, "invalid_time", "must be a time of RFC 3339 such as 2026-01-31T12:00:00Z; a plus sign in it is written %2B")
		return nil
	}
	return &t
}
