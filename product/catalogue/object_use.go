package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product/outbox"
)

// uses returns the digests under which an image has objects that it needs: see
// usesObjects.
func (r *ImageRow) uses() map[string]bool {
	found := map[string]bool{}
	for _, v := range r.Variants {
		if _, sha256, ok := imaging.ParseVariantKey(v.Key); ok {
			found[sha256] = true
		}
	}
	if r.SHA256.Valid && r.Status != imaging.Ready {
		found[r.SHA256.String] = true
	}
	return found
}

// has returns also the digest of its source, which may be kept for reprocessing.
func (r *ImageRow) has() map[string]bool {
	found := r.uses()
	if r.SHA256.Valid {
		found[r.SHA256.String] = true
	}
	return found
}

// DeleteUnusedObjects has the objects deleted that an image had before and no longer has, and
// those that reprocessing had reserved. They stay for a while, since clients may have just
// received their URLs.
func (e *Edit) DeleteUnusedObjects(ctx context.Context, before, after *ImageRow) error {
	if len(before.Variants) == 0 { // it was never ready
		return nil
	}
	had := before.uses()
	reserved, err := endReservation(ctx, e.Tx, after.ID)
	if err != nil {
		return err
	}
	if reserved != "" {
		had[reserved] = true
	}
	uses := after.uses()
	for digest := range had {
		if !uses[digest] {
			e.Outbox = append(e.Outbox, LateDeletion(e.Product.ObjectKey, digest))
		}
	}
	return nil
}

// endReservation returns the digest that reprocessing of the image had reserved, or an
// empty one. Its objects are no longer protected from deletion.
func endReservation(ctx context.Context, tx *sqlx.Tx, image uuid.UUID) (digest string, err error) {
	const q = `
		WITH old AS (SELECT id, reserved_sha256 FROM images WHERE id = $1 AND reserved_sha256 IS NOT NULL FOR UPDATE)
		UPDATE images SET reserved_sha256 = NULL FROM old WHERE images.id = old.id
		RETURNING old.reserved_sha256`
	err = tx.GetContext(ctx, &digest, q, image)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("end reservation: %w", err)
	}
	return digest, nil
}

// lateDeletionRow deletes the objects of a digest after a worker that may be storing there
// has noticed that it has lost its lease.
func LateDeletion(objectKey uuid.UUID, digest string) outbox.Row {
	row := outbox.Deletion(objectKey, digest)
	row.Delay = deletionDelay
	return row
}

// originalRow deletes the source that was kept for reprocessing.
func OriginalDeletion(objectKey uuid.UUID, sha256 string) outbox.Row {
	return outbox.Row{Kind: outbox.KindDeleteObjects, Subject: objectKey, Payload: outbox.DeletionPayload{Key: imaging.OriginalKey(objectKey, sha256)}}
}

const (
	// usesObjects is true of images that have the objects of o, a digest. A ready image
	// has those that it names and those that it has reserved; others may be about to
	// store.
	UsesObjectsSQL = ` product_id = (SELECT products.id FROM products WHERE products.object_key = o.object_key) AND (source_sha256 = o.sha256 AND status <> 'ready' OR reserved_sha256 = o.sha256 OR EXISTS (
		SELECT 1 FROM jsonb_array_elements(variants) AS v
		WHERE starts_with(v ->> 'key', '` + imaging.VariantPrefix + `' || o.object_key || '/' || o.sha256 || '/'))) `
	// oneDigest is the o of object key $1 and digest $2.
	DigestSQL = ` (SELECT cast($1 AS uuid) AS object_key, cast($2 AS text) AS sha256) AS o `
)

// lockObjects keeps storing and deleting under one digest apart until the end of tx.
func LockObjects(ctx context.Context, tx *sqlx.Tx, objectKey uuid.UUID, sha256 string) error {
	const q = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
	if _, err := tx.ExecContext(ctx, q, imaging.VariantFolder(objectKey, sha256)); err != nil {
		return fmt.Errorf("lock objects: %w", err)
	}
	return nil
}
