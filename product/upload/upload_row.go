package upload

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/postgres"
)

// sqlUploadKey is [imaging.UploadKey] of a row of uploads.
const sqlUploadKey = `'` + imaging.UploadPrefix + `' || uploads.user_id || '/' || uploads.id`

// insertUpload makes a place for a file of the user's. An unknown user is a
// [*product.ValidationError].
func insertUpload(ctx context.Context, tx *sqlx.Tx, u product.UploadRef) error {
	const q = `INSERT INTO uploads (id, user_id) VALUES ($1, $2)`
	_, err := tx.ExecContext(ctx, q, u.ID, u.User)
	if e := pq.As(err, pqerror.ForeignKeyViolation); e != nil && e.Constraint == "uploads_user_id_fkey" {
		return product.UnknownUser()
	}
	if err != nil {
		return fmt.Errorf("insert upload: %w", err)
	}
	return nil
}

// nameUploads keeps the uploads that new images of owner name, or gives a
// [*product.ValidationError] for those that owner has none such: field gives the place of
// an image in the input. Whether a file has arrived there is found out by the
// worker. It keeps those that removed images have released with them, all at once:
// two products that exchange theirs would otherwise wait for each other.
func Keep(
	ctx context.Context, tx *sqlx.Tx, owner int64, sources []string, released []uuid.UUID, field func(i int) string,
) error {
	ids := slices.Clone(released)
	for _, source := range sources {
		if u, ok := product.ParseUploadSource(source); ok && u.User == owner {
			ids = append(ids, u.ID)
		}
	}
	known, err := KeepUploads(ctx, tx, owner, ids)
	if err != nil {
		return err
	}
	var f product.FieldErrors
	for i, source := range sources {
		if u, ok := product.ParseUploadSource(source); ok && !known[u] {
			f.AddUnknownUpload(field(i))
		}
	}
	return f.Err()
}

// keepUploads keeps those of the user's uploads that there are for another day, in
// one order, and says which they are. Being updated, not merely locked, they are seen by a
// purge that has begun before.
func KeepUploads(ctx context.Context, tx *sqlx.Tx, user int64, ids []uuid.UUID) (map[product.UploadRef]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	const q = `
		WITH named AS (
			SELECT id FROM uploads WHERE id = ANY (cast($1 AS uuid[])) AND user_id = $2 ORDER BY id FOR UPDATE
		)
		UPDATE uploads SET kept_until = clock_timestamp() + interval '1 day'
		FROM named WHERE uploads.id = named.id
		RETURNING uploads.id, uploads.user_id`
	var kept []product.UploadRef
	if err := tx.SelectContext(ctx, &kept, q, postgres.UUIDArray(ids), user); err != nil {
		return nil, fmt.Errorf("keep uploads: %w", err)
	}
	known := make(map[product.UploadRef]bool, len(kept))
	for _, u := range kept {
		known[u] = true
	}
	return known, nil
}

// PurgeUploads forgets uploads that no image names, and has their objects deleted.
// The others are looked at again after a day.
func Purge(ctx context.Context, tx *sqlx.Tx) (rows int64, more bool, err error) {
	const q = `
		WITH due AS (
			SELECT id, user_id, EXISTS (
				SELECT 1 FROM images
				WHERE starts_with(source, 'upload:') AND source = 'upload:' || ` + sqlUploadKey + `
			) AS named
			FROM uploads WHERE kept_until < now()
			ORDER BY kept_until
			LIMIT $1
			FOR UPDATE SKIP LOCKED
		),
		kept AS (
			UPDATE uploads SET kept_until = clock_timestamp() + interval '1 day' FROM due WHERE uploads.id = due.id AND due.named
		),
		gone AS (
			DELETE FROM uploads USING due WHERE uploads.id = due.id AND NOT due.named RETURNING uploads.id, ` + sqlUploadKey + ` AS key
		),
		written AS (
			INSERT INTO outbox (kind, subject, payload)
			SELECT 'delete_objects', id, jsonb_build_object('upload', key) FROM gone
		)
		SELECT count(*) FROM due`
	var n int64
	if err := tx.GetContext(ctx, &n, q, postgres.ReconcileBatch); err != nil {
		return 0, false, fmt.Errorf("purge uploads: %w", err)
	}
	return n, n == postgres.ReconcileBatch, nil
}
