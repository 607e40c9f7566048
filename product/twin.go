package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
)

// readyColumns are those of a [readyRow].
const readyColumns = `product_id, source, source_sha256, source_bytes, format, width, height, placeholder, average_color, animated,
	variants, recipe, source_etag, source_modified, focal_x, focal_y`

// result is what is known of the picture.
func (r *readyRow) result() imaging.Result {
	return imaging.Result{
		SourceSHA256: r.SHA256, SourceBytes: r.SourceBytes.Int64, SourceFormat: r.Format.String,
		Width: int(r.Width.Int64), Height: int(r.Height.Int64), Variants: r.Variants,
		Placeholder: r.Placeholder.String, AverageColor: r.AverageColor.String, Animated: r.Animated, Recipe: r.Recipe,
		Validators: imaging.Validators{ETag: r.ETag.String, LastModified: r.Modified.String},
	}
}

// twinOf gives what another ready image of the claim's product is that was made of
// the same bytes round the same focal point, or nil.
func twinOf(ctx context.Context, tx *sqlx.Tx, c imaging.Claim, sha256 string) (*imaging.Result, error) {
	const q = `
		SELECT ` + readyColumns + ` FROM images
		WHERE product_id = $1 AND id <> $2 AND status = 'ready' AND source_sha256 = $3
			AND focal_x IS NOT DISTINCT FROM cast($4 AS real) AND focal_y IS NOT DISTINCT FROM cast($5 AS real)
		ORDER BY position LIMIT 1`
	focal := newFocalRow((*Focal)(c.Focal))
	var row readyRow
	err := tx.GetContext(ctx, &row, q, c.ProductID, c.ImageID, sha256, focal.X, focal.Y)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the same picture: %w", err)
	}
	twin := row.result()
	return &twin, nil
}
