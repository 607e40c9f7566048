package deadletter

import (
	"context"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

// Group describes the dead letters with one fingerprint. The example is the newest.
type Group struct {
	Fingerprint   string    `db:"fingerprint"`
	Code          string    `db:"code"`
	Stage         string    `db:"stage"`
	Host          string    `db:"host"`
	Count         int64     `db:"count"`
	Replayed      int64     `db:"replayed"`
	Oldest        time.Time `db:"oldest"`
	Newest        time.Time `db:"newest"`
	ExampleID     uuid.UUID `db:"example_id"`
	ExampleDetail string    `db:"example_detail"`
}

// Groups groups the matching dead letters by fingerprint and returns the largest groups, and
// whether there are more than the filter's limit. It ignores the cursor, because counts change
// between pages. The error may be a [*product.ValidationError].
func (s *Service) Groups(ctx context.Context, f Filter) (groups []Group, more bool, err error) {
	if err := f.Validate(); err != nil {
		return nil, false, err
	}
	if f.Limit == 0 {
		f.Limit = product.DefaultLimit
	}
	const q = `
		WITH cause AS (
			SELECT d.fingerprint, d.code, d.stage, d.host, count(*) AS count, count(d.replayed_at) AS replayed,
				min(d.created_at) AS oldest, max(d.created_at) AS newest
			FROM dead_letters AS d
			WHERE ` + filterSQL + `
			GROUP BY d.fingerprint, d.code, d.stage, d.host
			ORDER BY count(*) DESC, d.fingerprint
			LIMIT :limit
		)
		SELECT cause.fingerprint, cause.code, cause.stage, cause.host, cause.count, cause.replayed, cause.oldest,
			cause.newest, example.id AS example_id, example.detail AS example_detail
		FROM cause CROSS JOIN LATERAL (
			SELECT d.id, d.detail FROM dead_letters AS d
			WHERE d.fingerprint = cause.fingerprint AND ` + filterSQL + `
			ORDER BY d.created_at DESC, d.id DESC
			LIMIT 1
		) AS example
		ORDER BY cause.count DESC, cause.fingerprint`
	groups = []Group{}
	if err := s.store.SelectNamed(ctx, "group dead letters", &groups, q, f.args(f.Limit+1)); err != nil {
		return nil, false, err
	}
	if len(groups) > f.Limit {
		return groups[:f.Limit], true, nil
	}
	return groups, false, nil
}
