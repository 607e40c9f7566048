package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"vitrine/imaging"
	"vitrine/product"
)

// FocalRow has the columns of a focal point in images; null means the centre.
type FocalRow struct {
	X sql.NullFloat64 `db:"focal_x"`
	Y sql.NullFloat64 `db:"focal_y"`
}

// NewFocalRow returns the columns for a focal point, rounded to three decimals; nil is the
// centre.
func NewFocalRow(p *product.Focal) FocalRow {
	if p == nil {
		return FocalRow{}
	}
	round := func(v float64) sql.NullFloat64 {
		return sql.NullFloat64{Float64: math.Round(1000*v) / 1000, Valid: true}
	}
	return FocalRow{round(p.X), round(p.Y)}
}

// Point returns the focal point, or nil for the centre.
func (r FocalRow) Point() *imaging.Focal {
	if !r.X.Valid || !r.Y.Valid {
		return nil
	}
	return &imaging.Focal{X: r.X.Float64, Y: r.Y.Float64}
}

// setFocal changes the focal point of an image. A ready image is reprocessed for its square
// variant; an image that is not ready yet is checked when its attempt is settled.
func (e *Edit) setFocal(ctx context.Context, row *ImageRow, p *product.Focal) error {
	now := NewFocalRow(p)
	if now == row.FocalRow {
		return nil
	}
	const q = `UPDATE images SET focal_x = $2, focal_y = $3 WHERE id = $1`
	if _, err := e.Tx.ExecContext(ctx, q, row.ID, now.X, now.Y); err != nil {
		return fmt.Errorf("update focal point: %w", err)
	}
	e.Changed = true
	if row.Status != imaging.Ready {
		return nil
	}
	return e.Reprocess(ctx, imaging.ReasonFocal, row.ID)
}

// SameFocal reports whether an attempt used the focal point that its image has now.
func SameFocal(row FocalRow, used *imaging.Focal) bool {
	now := row.Point()
	return now == nil && used == nil || now != nil && used != nil && *now == *used
}
