package deadletter

import (
	"context"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

const (
	// shownPayload is how much of each message a list shows, in bytes.
	shownPayload = 4 << 10
	// maxFingerprint is longer than any: a code, a stage and a host.
	maxFingerprint = 2200
)

// DeadLetterFilter selects dead letters. Nil fields select everything.
type Filter struct {
	Code, Stage, Host, Fingerprint *string
	ProductID                      *int64
	Replayed                       *bool
	CreatedAfter, CreatedBefore    *time.Time // exclusive
	Limit                          int        // 1 to 100; 0 means 20
	Cursor                         string     // DeadLetterPage.Next of the page before
}

// Validate gives a [*product.ValidationError] that names every bad field, or nil.
func (q Filter) Validate() error {
	var f product.FieldErrors
	if q.CreatedAfter != nil && q.CreatedBefore != nil && !q.CreatedAfter.Before(*q.CreatedBefore) {
		f.Add("created_before", "out_of_range", "must be later than created_after")
	}
	if q.Limit < 0 || q.Limit > product.MaxLimit {
		f.Add("limit", "out_of_range", "must be from 1 to %d", product.MaxLimit)
	}
	if _, err := product.ParseIDCursor(q.Cursor); err != nil {
		f.Add("cursor", "invalid", "is none that a list has given")
	}
	return f.Err()
}

// everything says whether the filter selects all dead letters.
func (q Filter) everything() bool {
	q.Limit, q.Cursor = 0, ""
	return q == Filter{}
}

// DeadLetter is a failed image, or a message that could not be read: then it has
// no image, product and generation.
type Record struct {
	ID            uuid.UUID  `db:"id"`
	ImageID       *uuid.UUID `db:"image_id"`
	ProductID     *int64     `db:"product_id"`
	Generation    *int64     `db:"generation"`
	Payload       []byte     `db:"payload"`       // the first 4 KiB of the message
	PayloadBytes  int        `db:"payload_bytes"` // of the whole message
	PayloadSHA256 string     `db:"payload_sha256"`
	Reason        string     `db:"reason"`
	Code          string     `db:"code"`
	Stage         string     `db:"stage"`
	Host          string     `db:"host"`
	Detail        string     `db:"detail"`
	Fingerprint   string     `db:"fingerprint"` // code|stage|host
	RequestID     string     `db:"request_id"`
	CreatedAt     time.Time  `db:"created_at"`
	ReplayedAt    *time.Time `db:"replayed_at"` // when the work was begun anew
}

// DeadLetterPage is a part of a list. Next is empty on the last page.
type Page struct {
	Letters []Record
	Next    string
	HasMore bool
}

// deadLetterCondition is what a filter means. Every query is planned with its
// values, which leaves of each line what matters.
const deadLetterCondition = `
	(cast(:code AS text) IS NULL OR d.code = cast(:code AS text))
	AND (cast(:stage AS text) IS NULL OR d.stage = cast(:stage AS text))
	AND (cast(:host AS text) IS NULL OR d.host = cast(:host AS text))
	AND (cast(:fingerprint AS text) IS NULL OR d.fingerprint = cast(:fingerprint AS text))
	AND (cast(:product_id AS bigint) IS NULL OR d.product_id = cast(:product_id AS bigint))
	AND (cast(:replayed AS boolean) IS NULL OR (d.replayed_at IS NOT NULL) = cast(:replayed AS boolean))
	AND (cast(:created_after AS timestamptz) IS NULL OR d.created_at > cast(:created_after AS timestamptz))
	AND (cast(:created_before AS timestamptz) IS NULL OR d.created_at < cast(:created_before AS timestamptz))`

func (q Filter) args(limit int) map[string]any {
	return map[string]any{
		"code": q.Code, "stage": q.Stage, "host": q.Host, "fingerprint": q.Fingerprint, "product_id": q.ProductID,
		"replayed": q.Replayed, "created_after": q.CreatedAfter, "created_before": q.CreatedBefore, "limit": limit,
	}
}

// List returns the dead letters that match, newest first. The error may be
// a [*product.ValidationError].
func (s *Service) List(ctx context.Context, f Filter) (Page, error) {
	if err := f.Validate(); err != nil {
		return Page{}, err
	}
	if f.Limit == 0 {
		f.Limit = product.DefaultLimit
	}
	after, err := product.ParseIDCursor(f.Cursor)
	if err != nil {
		return Page{}, err
	}
	args := f.args(f.Limit + 1)
	args["after"], args["shown"] = after, shownPayload
	const q = `
		SELECT d.id, d.image_id, d.product_id, d.generation, substring(d.payload FOR :shown) AS payload, d.payload_bytes,
			d.payload_sha256, d.reason, d.code, d.stage, d.host, d.detail, d.fingerprint, d.request_id, d.created_at,
			d.replayed_at
		FROM dead_letters AS d
		WHERE ` + deadLetterCondition + ` AND (cast(:after AS uuid) IS NULL OR d.id < cast(:after AS uuid))
		ORDER BY d.id DESC
		LIMIT :limit`
	page := Page{Letters: []Record{}}
	if err := s.store.SelectNamed(ctx, "list dead letters", &page.Letters, q, args); err != nil {
		return Page{}, err
	}
	if len(page.Letters) > f.Limit {
		page.Letters = page.Letters[:f.Limit]
		page.HasMore, page.Next = true, product.IDCursor(page.Letters[f.Limit-1].ID)
	}
	return page, nil
}
