package catalogue

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"vitrine/imaging"
	"vitrine/product"
)

// ImageRow has the columns of images that clients see, and the digest of the source.
type ImageRow struct {
	ID       uuid.UUID      `db:"id"`
	Position int            `db:"position"`
	Source   string         `db:"source"`
	Alt      sql.NullString `db:"alt"`
	FocalRow
	Status         imaging.Status `db:"status"`
	Attempts       int            `db:"attempts"`
	ErrorCode      sql.NullString `db:"error_code"`
	ErrorDetail    sql.NullString `db:"error_detail"`
	ErrorRetryable sql.NullBool   `db:"error_retryable"`
	SHA256         sql.NullString `db:"source_sha256"`
	Placeholder    sql.NullString `db:"placeholder"`
	AverageColor   sql.NullString `db:"average_color"`
	Animated       bool           `db:"animated"`
	Variants       Variants       `db:"variants"`
}

// ImageColumns and QualifiedImageColumns select the columns of an [ImageRow]. The
// attempts of a ready image are the number that it took to become ready.
const (
	ImageColumns = `id, position, source, alt, focal_x, focal_y, status,
		CASE WHEN status = 'ready' THEN ready_attempts ELSE attempts END AS attempts,
		error_code, error_detail, error_retryable, source_sha256, placeholder, average_color, animated, variants`
	QualifiedImageColumns = `images.id, images.position, images.source, images.alt, images.focal_x, images.focal_y, images.status,
		CASE WHEN images.status = 'ready' THEN images.ready_attempts ELSE images.attempts END AS attempts,
		images.error_code, images.error_detail, images.error_retryable, images.source_sha256, images.placeholder,
		images.average_color, images.animated, images.variants`
)

// main returns the main variant of a ready image, or nil.
func (r *ImageRow) main() *imaging.Variant {
	if r.Status != imaging.Ready || len(r.Variants) == 0 {
		return nil
	}
	return &r.Variants[0]
}

// Variants is the JSON column variants of images.
type Variants []imaging.Variant

// Value returns the variants as JSON.
func (v Variants) Value() (driver.Value, error) {
	if v == nil {
		return "[]", nil
	}
	b, err := json.Marshal([]imaging.Variant(v))
	return string(b), err
}

// Scan decodes the variants from JSON.
func (v *Variants) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("cannot decode variants from %T", src)
	}
	return json.Unmarshal(b, (*[]imaging.Variant)(v))
}

// selectImages returns the images of a product in their order.
func selectImages(ctx context.Context, tx *sqlx.Tx, product int64) ([]ImageRow, error) {
	const q = `SELECT ` + ImageColumns + ` FROM images WHERE product_id = $1 ORDER BY position LIMIT 20`
	var rows []ImageRow
	if err := tx.SelectContext(ctx, &rows, q, product); err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	return rows, nil
}

// pendingImage is an image to be inserted.
type pendingImage struct {
	ID       uuid.UUID
	position int
	source   string
	alt      sql.NullString
	focal    FocalRow
}

// insertImages stores new images as pending.
func insertImages(ctx context.Context, tx *sqlx.Tx, productID int64, images []pendingImage) error {
	if len(images) == 0 {
		return nil
	}
	ids, positions, sources := make([]string, len(images)), make([]int64, len(images)), make([]string, len(images))
	alts, xs, ys := make([]sql.NullString, len(images)), make([]sql.NullFloat64, len(images)), make([]sql.NullFloat64, len(images))
	for i, n := range images {
		ids[i], positions[i], sources[i], alts[i] = n.ID.String(), int64(n.position), n.source, n.alt
		xs[i], ys[i] = n.focal.X, n.focal.Y
	}
	const q = `
		INSERT INTO images (id, product_id, position, source, alt, request_id, focal_x, focal_y)
		SELECT n.id, $1, n.position, n.source, n.alt, $2, n.focal_x, n.focal_y
		FROM unnest(cast($3 AS uuid[]), cast($4 AS integer[]), cast($5 AS text[]), cast($6 AS text[]), cast($7 AS real[]), cast($8 AS real[]))
			AS n (id, position, source, alt, focal_x, focal_y)`
	_, err := tx.ExecContext(ctx, q, productID, product.RequestID(ctx), pq.Array(ids), pq.Array(positions), pq.Array(sources), pq.Array(alts),
		pq.Array(xs), pq.Array(ys))
	if err != nil {
		return fmt.Errorf("insert images: %w", err)
	}
	return nil
}

// moveImages stores new positions of images.
func moveImages(ctx context.Context, tx *sqlx.Tx, positions map[uuid.UUID]int) error {
	if len(positions) == 0 {
		return nil
	}
	ids, places := make([]string, 0, len(positions)), make([]int64, 0, len(positions))
	for id, p := range positions {
		ids, places = append(ids, id.String()), append(places, int64(p))
	}
	// Positions may collide while the statement runs, but not at its end.
	const q = `
		UPDATE images SET position = n.position
		FROM unnest(cast($1 AS uuid[]), cast($2 AS integer[])) AS n (id, position)
		WHERE images.id = n.id`
	if _, err := tx.ExecContext(ctx, q, pq.Array(ids), pq.Array(places)); err != nil {
		return fmt.Errorf("move images: %w", err)
	}
	return nil
}
