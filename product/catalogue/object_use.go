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

// uses returns the digests whose objects the image needs; see [UsesObjectsSQL].
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

// has returns the digests of uses and that of the source, which may be kept for reprocessing.
func (r *ImageRow) has() map[string]bool {
	found := r.uses()
	if r.SHA256.Valid {
		found[r.SHA256.String] = true
	}
	return found
}

// DeleteUnusedObjects enqueues the deletion of objects that an image no longer needs after the
// change, including those that reprocessing had reserved. It is delayed, because clients may
// have just received their URLs.
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

// endReservation clears and returns the digest that reprocessing of the image had reserved,
// or "" if there was none. Its objects are no longer protected from deletion.
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

// LateDeletion returns the outbox row that deletes the objects of a digest, delayed until a
// worker that may be storing them has noticed that it lost its lease.
func LateDeletion(objectKey uuid.UUID, digest string) outbox.Row {
	row := outbox.Deletion(objectKey, digest)
	row.Delay = deletionDelay
	return row
}

// OriginalDeletion returns the outbox row that deletes the source kept for reprocessing.
func OriginalDeletion(objectKey uuid.UUID, sha256 string) outbox.Row {
	return outbox.Row{Kind: outbox.KindDeleteObjects, Subject: objectKey, Payload: outbox.DeletionPayload{Key: imaging.OriginalKey(objectKey, sha256)}}
}

const (
	// UsesObjectsSQL is a condition on rows of images: the image needs the objects of the
	// digest o (columns object_key and sha256). A ready image needs those of its variants
	// and those that it has reserved; another image may be about to store them.
	UsesObjectsSQL = ` product_id = (SELECT products.id FROM products WHERE products.object_key = o.object_key) AND (source_sha256 = o.sha256 AND status <> 'ready' OR reserved_sha256 = o.sha256 OR EXISTS (
		SELECT 1 FROM jsonb_array_elements(variants) AS v
		WHERE starts_with(v ->> 'key', '` + imaging.VariantPrefix + `' || o.object_key || '/' || o.sha256 || '/'))) `
	// DigestSQL is a table expression for [UsesObjectsSQL]: the digest o with object key $1
	// and digest $2.
	DigestSQL = ` (SELECT cast($1 AS uuid) AS object_key, cast($2 AS text) AS sha256) AS o `
)

// LockObjects excludes others that store or delete objects of the digest until tx ends.
func LockObjects(ctx context.Context, tx *sqlx.Tx, objectKey uuid.UUID, sha256 string) error {
	const q = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
	if _, err := tx.ExecContext(ctx, q, imaging.VariantFolder(objectKey, sha256)); err != nil {
		return fmt.Errorf("lock objects: %w", err)
	}
	return nil
}
