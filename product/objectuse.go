package product

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
)

// uses gives the digests under which an image has objects that it needs: see
// usesObjects.
func (r *imageRow) uses() map[string]bool {
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

// has gives also the digest of its source, which may wait there for a second pass.
func (r *imageRow) has() map[string]bool {
	found := r.uses()
	if r.SHA256.Valid {
		found[r.SHA256.String] = true
	}
	return found
}

// giveUpObjects has the objects deleted that an image had before and has no more,
// and those that a second pass had reserved. Whoever was shown their URLs a moment
// ago may still read them.
func (e *edit) giveUpObjects(ctx context.Context, before, after *imageRow) error {
	if len(before.Variants) == 0 { // it was never ready
		return nil
	}
	had := before.uses()
	reserved, err := endReservation(ctx, e.tx, after.ID)
	if err != nil {
		return err
	}
	if reserved != "" {
		had[reserved] = true
	}
	uses := after.uses()
	for digest := range had {
		if !uses[digest] {
			e.outbox = append(e.outbox, lateDeletionRow(e.product.ObjectKey, digest))
		}
	}
	return nil
}

// endReservation gives the digest that a second pass over the image had reserved, if
// any: what it has stored can be deleted from now on.
func endReservation(ctx context.Context, tx *sqlx.Tx, image uuid.UUID) (digest string, err error) {
	const q = `
		WITH old AS (SELECT id, rework_sha256 FROM images WHERE id = $1 AND rework_sha256 IS NOT NULL FOR UPDATE)
		UPDATE images SET rework_sha256 = NULL FROM old WHERE images.id = old.id
		RETURNING old.rework_sha256`
	err = tx.GetContext(ctx, &digest, q, image)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("end reservation: %w", err)
	}
	return digest, nil
}

// lateDeletionRow deletes the objects of a digest when whoever may be storing there
// has noticed that it must not.
func lateDeletionRow(objectKey uuid.UUID, digest string) outboxRow {
	row := deletionRow(objectKey, digest)
	row.delay = deletionDelay
	return row
}

// originalRow deletes the source that was kept for the second pass.
func originalRow(objectKey uuid.UUID, sha256 string) outboxRow {
	return outboxRow{kind: KindDeleteObjects, subject: objectKey, payload: deletionPayload{Key: imaging.OriginalKey(objectKey, sha256)}}
}
