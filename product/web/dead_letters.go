package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/deadletter"
	"vitrine/product/web/query"
)

// letterBody is the JSON of a dead letter.
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

// causeBody is the JSON of a group of dead letters.
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
	q := query.Parse(r.URL.RawQuery, query.DeadLetterNames)
	filter := q.DeadLetters()
	filter.Limit, filter.Cursor = q.Limit(), q.Values["cursor"]
	group, grouped := q.Values["group"]
	if grouped && group != "cause" {
		q.Fault("group", "invalid", `must be "cause"`)
	}
	if _, paged := q.Values["cursor"]; grouped && paged {
		q.Fault("cursor", "not_applicable", "must not be combined with group")
	}
	if err := q.Verdict(filter); err != nil {
		return err
	}
	var page product.Page
	var err error
	if grouped {
		page, err = a.causes(r, filter)
	} else {
		page, err = a.deadLetters(r, filter)
	}
	if err != nil {
		return query.Error(err)
	}
	sendPage(w, r, query.DeadLetterNames, page, "Dead letters retrieved successfully")
	return nil
}

func (a *api) deadLetters(r *http.Request, filter deadletter.Filter) (product.Page, error) {
	found, err := a.DeadLetters.List(r.Context(), filter)
	if err != nil {
		return product.Page{}, err
	}
	page := product.Page{Next: found.Next, HasMore: found.HasMore}
	for _, l := range found.Items {
		item, err := json.Marshal(letterOf(l))
		if err != nil {
			return product.Page{}, fmt.Errorf("encode dead letter: %w", err)
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

func (a *api) causes(r *http.Request, filter deadletter.Filter) (product.Page, error) {
	found, more, err := a.DeadLetters.Groups(r.Context(), filter)
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

func letterOf(l deadletter.Record) letterBody {
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

// isJSON reports whether text is a JSON document in UTF-8, or the beginning of one if
// it is cut off.
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

// lastBoundary returns the length of text without a last character that is incomplete.
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
	if err := query.None(r); err != nil {
		return err
	}
	if err := a.DeadLetters.Delete(r.Context(), id); err != nil {
		return err
	}
	send(w, r, http.StatusOK, []byte(`{"deleted":1}`), "Dead letter deleted successfully")
	return nil
}

// deleteDeadLetters requires a filter or all=true: a script with an empty filter must
// not delete everything.
func (a *api) deleteDeadLetters(w http.ResponseWriter, r *http.Request) error {
	q := query.Parse(r.URL.RawQuery, query.DeadLetterDeletionNames)
	filter := q.DeadLetters()
	all := q.Flag("all")
	if all != nil && !*all {
		q.Fault("all", "invalid", "must be true if present")
	}
	if err := q.Verdict(filter); err != nil {
		return err
	}
	n, err := a.DeadLetters.DeleteMatching(r.Context(), filter, all != nil)
	if err != nil {
		return query.Error(err)
	}
	send(w, r, http.StatusOK, fmt.Appendf(nil, `{"deleted":%d}`, n), "Dead letters deleted successfully")
	return nil
}
