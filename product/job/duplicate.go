package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// readyRow has the columns of the result of a ready image.
type readyRow struct {
	SHA256          string             `db:"source_sha256"`
	SourceBytes     sql.NullInt64      `db:"source_bytes"`
	Format          sql.NullString     `db:"format"`
	Width           sql.NullInt64      `db:"width"`
	Height          sql.NullInt64      `db:"height"`
	Placeholder     sql.NullString     `db:"placeholder"`
	AverageColor    sql.NullString     `db:"average_color"`
	Animated        bool               `db:"animated"`
	Variants        catalogue.Variants `db:"variants"`
	PipelineVersion string             `db:"pipeline_version"`
	ETag            sql.NullString     `db:"source_etag"`
	Modified        sql.NullString     `db:"source_modified"`
}

const readyColumns = `source_sha256, source_bytes, format, width, height, placeholder, average_color, animated,
	variants, pipeline_version, source_etag, source_modified`

// result returns the row as a result.
func (r *readyRow) result() imaging.Result {
	return imaging.Result{
		SourceSHA256: r.SHA256, SourceBytes: r.SourceBytes.Int64, SourceFormat: r.Format.String,
		Width: int(r.Width.Int64), Height: int(r.Height.Int64), Variants: r.Variants,
		Placeholder: r.Placeholder.String, AverageColor: r.AverageColor.String, Animated: r.Animated, PipelineVersion: r.PipelineVersion,
		Validators: imaging.Validators{ETag: r.ETag.String, LastModified: r.Modified.String},
	}
}

// readyResult returns the result of a ready image.
func readyResult(ctx context.Context, tx *sqlx.Tx, image uuid.UUID) (imaging.Result, error) {
	const q = `SELECT ` + readyColumns + ` FROM images WHERE id = $1`
	var row readyRow
	if err := tx.GetContext(ctx, &row, q, image); err != nil {
		return imaging.Result{}, fmt.Errorf("select ready image: %w", err)
	}
	return row.result(), nil
}

// duplicateOf returns the result of another ready image of the claim's product that was
// made of the same bytes with the same focal point, or nil.
func duplicateOf(ctx context.Context, tx *sqlx.Tx, c imaging.Claim, sha256 string) (*imaging.Result, error) {
	const q = `
		SELECT ` + readyColumns + ` FROM images
		WHERE product_id = $1 AND id <> $2 AND status = 'ready' AND source_sha256 = $3
			AND focal_x IS NOT DISTINCT FROM cast($4 AS real) AND focal_y IS NOT DISTINCT FROM cast($5 AS real)
		ORDER BY position LIMIT 1`
	focal := catalogue.NewFocalRow((*product.Focal)(c.Focal))
	var row readyRow
	err := tx.GetContext(ctx, &row, q, c.ProductID, c.ImageID, sha256, focal.X, focal.Y)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find duplicate: %w", err)
	}
	duplicate := row.result()
	return &duplicate, nil
}
