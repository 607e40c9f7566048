package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
	"vitrine/product/upload"
)

// removeImages removes images of the product and, later, their objects. Uploads
// that they named are kept for another day: they may be named again.
func (e *Edit) removeImages(ctx context.Context, ids []uuid.UUID) error {
	if _, err := upload.KeepUploads(ctx, e.Tx, e.Product.UserID, e.uploadsOf(ids)); err != nil {
		return err
	}
	return e.deleteImages(ctx, ids)
}

// uploadsOf gives the uploads that images of the product name.
func (e *Edit) uploadsOf(images []uuid.UUID) (named []uuid.UUID) {
	for i := range e.Images {
		if u, ok := product.ParseUploadSource(e.Images[i].Source); ok && slices.Contains(images, e.Images[i].ID) {
			named = append(named, u.ID)
		}
	}
	return named
}

// nameListedUploads keeps the uploads that images of the field product_images name, or
// returns a [*product.ValidationError] for those that owner does not have.
func nameListedUploads(ctx context.Context, tx *sqlx.Tx, owner int64, images []pendingImage, released []uuid.UUID) error {
	sources := make([]string, len(images))
	for i := range images {
		sources[i] = images[i].source
	}
	return upload.Keep(ctx, tx, owner, sources, released, func(i int) string {
		return "product_images/" + strconv.Itoa(images[i].position)
	})
}

// deletionDelay is how long the objects of an image that is being worked on are
// left alone: by then its worker has noticed that its lease is gone, and has
// stopped storing.
const deletionDelay = time.Minute

// deleteImages removes images of the product and has their objects deleted.
func (e *Edit) deleteImages(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	const q = `
		DELETE FROM images WHERE product_id = $1 AND id = ANY (cast($2 AS uuid[]))
		RETURNING source_sha256, reserved_sha256, variants, status`
	var gone []struct {
		ImageRow
		Reserved sql.NullString `db:"reserved_sha256"`
	}
	if err := e.Tx.SelectContext(ctx, &gone, q, e.Product.ID, postgres.UUIDArray(ids)); err != nil {
		return fmt.Errorf("delete images: %w", err)
	}
	delays := map[string]time.Duration{}
	for i := range gone {
		for digest := range gone[i].has() {
			delays[digest] = max(delays[digest], 0)
			if gone[i].Status == imaging.Processing {
				delays[digest] = deletionDelay
			}
		}
		if gone[i].Reserved.Valid {
			delays[gone[i].Reserved.String] = deletionDelay
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(delays)) {
		row := outbox.Deletion(e.Product.ObjectKey, digest)
		row.Delay = delays[digest]
		e.Outbox = append(e.Outbox, row)
	}
	return nil
}
