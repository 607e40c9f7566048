package deadletter

import (
	"context"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

const (
	// shownPayload is how many bytes of each message a list returns.
	shownPayload = 4 << 10
	// maxFingerprint is the maximum length of a fingerprint: a code, a stage and a host.
	maxFingerprint = 2200
)

// Filter selects dead letters. Nil fields select everything.
type Filter struct {
	Code, Stage, Host, Fingerprint *string
	ProductID                      *int64
	Replayed                       *bool
	CreatedAfter, CreatedBefore    *time.Time // exclusive
	Limit                          int        // 1 to 100; 0 means 20
	Cursor                         string     // Page.Next of the previous page
}

// Validate returns a [*product.ValidationError] that names every invalid field, or nil.
func (q Filter) Validate() error {
	var f product.FieldErrors
	if q.CreatedAfter != nil && q.CreatedBefore != nil && !q.CreatedAfter.Before(*q.CreatedBefore) {
		f.Add("created_before", "out_of_range", "must be later than created_after")
	}
	if q.Limit < 0 || q.Limit > product.MaxLimit {
		f.Add("limit", "out_of_range", "must be from 1 to %d", product.MaxLimit)
	}
	if _, err := product.ParseIDCursor(q.Cursor); err != nil {
		f.Add("cursor", "invalid", "is not valid: pass next_cursor from the previous page")
	}
	return f.Err()
}

// everything reports whether the filter selects all dead letters.
func (q Filter) everything() bool {
	q.Limit, q.Cursor = 0, ""
	return q == Filter{}
}

// Record is a dead letter: a failed image, or a message that could not be read, which has no
// image, product or generation.
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
	ReplayedAt    *time.Time `db:"replayed_at"` // when its image was last retried or replayed
}

// Page is a part of a list. Next is empty on the last page.
type Page struct {
	Items   []Record
	Next    string
	HasMore bool
}

// filterSQL is the condition of a [Filter] on dead letters d. Every query is planned with its
// values, so the planner drops the criteria that are not given.
const filterSQL = `
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

// List returns the matching dead letters, newest first. The error may be a
// [*product.ValidationError].
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
		WHERE ` + filterSQL + ` AND (cast(:after AS uuid) IS NULL OR d.id < cast(:after AS uuid))
		ORDER BY d.id DESC
		LIMIT :limit`
	page := Page{Items: []Record{}}
	if err := s.store.SelectNamed(ctx, "list dead letters", &page.Items, q, args); err != nil {
		return Page{}, err
	}
	if len(page.Items) > f.Limit {
		page.Items = page.Items[:f.Limit]
		page.HasMore, page.Next = true, product.IDCursor(page.Items[f.Limit-1].ID)
	}
	return page, nil
}
