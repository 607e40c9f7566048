package product

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"vitrine/imaging"
)

// focalRow is a point as a row of images has it; null is the centre.
type focalRow struct {
	X sql.NullFloat64 `db:"focal_x"`
	Y sql.NullFloat64 `db:"focal_y"`
}

func newFocalRow(p *Focal) focalRow {
	if p == nil {
		return focalRow{}
	}
	round := func(v float64) sql.NullFloat64 {
		return sql.NullFloat64{Float64: math.Round(1000*v) / 1000, Valid: true}
	}
	return focalRow{round(p.X), round(p.Y)}
}

// point gives it, nil for the centre.
func (r focalRow) point() *imaging.Focal {
	if !r.X.Valid || !r.Y.Valid {
		return nil
	}
	return &imaging.Focal{X: r.X.Float64, Y: r.Y.Float64}
}

// setFocal changes the focal point of an image. The square of a ready image is made again;
// an image that is not ready yet is checked when its attempt is settled.
func (e *edit) setFocal(ctx context.Context, row *imageRow, p *Focal) error {
	now := newFocalRow(p)
	if now == row.focalRow {
		return nil
	}
	const q = `UPDATE images SET focal_x = $2, focal_y = $3 WHERE id = $1`
	if _, err := e.tx.ExecContext(ctx, q, row.ID, now.X, now.Y); err != nil {
		return fmt.Errorf("focal point: %w", err)
	}
	e.changed = true
	if row.Status != imaging.Ready {
		return nil
	}
	return e.Reprocess(ctx, imaging.ReasonFocal, row.ID)
}

// sameFocal reports whether an attempt used the focal point that its image has now.
func sameFocal(row focalRow, used *imaging.Focal) bool {
	now := row.point()
	return now == nil && used == nil || now != nil && used != nil && *now == *used
}
