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

// Delete deletes a product and, later, its objects. Errors: [product.ErrNotFound],
// [product.ErrPrecondition].
func (s *Service) Delete(ctx context.Context, scope product.Scope, id int64, pre product.Precondition) error {
	_, err := s.Write(ctx, scope, id, "delete product", func(ctx context.Context, e *Edit) error {
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(e.Images))
		for i := range e.Images {
			ids[i] = e.Images[i].ID
		}
		if err := e.removeImages(ctx, ids); err != nil {
			return err
		}
		e.Changed, e.deleted = true, true
		return removeProduct(ctx, e.Tx, id)
	})
	return err
}

// removeImages deletes images of the product and, later, their objects. Their uploads are
// kept for another day, so that clients can use them again.
func (e *Edit) removeImages(ctx context.Context, ids []uuid.UUID) error {
	if _, err := upload.KeepIDs(ctx, e.Tx, e.Product.UserID, e.uploadsOf(ids)); err != nil {
		return err
	}
	return e.deleteImages(ctx, ids)
}

// uploadsOf returns the uploads that are sources of images of the product.
func (e *Edit) uploadsOf(images []uuid.UUID) (named []uuid.UUID) {
	for i := range e.Images {
		if u, ok := product.ParseUploadSource(e.Images[i].Source); ok && slices.Contains(images, e.Images[i].ID) {
			named = append(named, u.ID)
		}
	}
	return named
}

// nameListedUploads keeps the uploads that are sources of new images. It returns a
// [*product.ValidationError] about product_images if owner does not have one of them.
func nameListedUploads(ctx context.Context, tx *sqlx.Tx, owner int64, images []pendingImage, released []uuid.UUID) error {
	sources := make([]string, len(images))
	for i := range images {
		sources[i] = images[i].source
	}
	return upload.KeepSources(ctx, tx, owner, sources, released, func(i int) string {
		return "product_images/" + strconv.Itoa(images[i].position)
	})
}

// deletionDelay is how long deletion waits for a worker that may be storing objects: by then
// the worker has noticed that it lost its lease.
const deletionDelay = time.Minute

// deleteImages deletes images of the product and enqueues the deletion of their objects.
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
