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

// sqlUploadKey is [imaging.UploadKey] for a row of uploads, in SQL.
const sqlUploadKey = `'` + imaging.UploadPrefix + `' || uploads.user_id || '/' || uploads.id`

// insertUpload records an upload. It returns a [*product.ValidationError] if the user does
// not exist.
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

// KeepSources keeps the owner's uploads among the sources of new images for another day. It
// returns a [*product.ValidationError] if owner does not have an upload; field returns the
// field of source number i. The worker finds out whether a file has been uploaded.
//
// KeepSources also keeps the uploads that removed images have released. One statement
// locks all of them, or two products that exchange uploads would deadlock.
func KeepSources(
	ctx context.Context, tx *sqlx.Tx, owner int64, sources []string, released []uuid.UUID, field func(i int) string,
) error {
	ids := slices.Clone(released)
	for _, source := range sources {
		if u, ok := product.ParseUploadSource(source); ok && u.User == owner {
			ids = append(ids, u.ID)
		}
	}
	known, err := KeepIDs(ctx, tx, owner, ids)
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

// KeepIDs keeps the user's uploads with these ids for another day and returns those that
// exist. It locks them in one order. It updates the rows instead of only locking them, so
// that a purge that has begun before notices.
func KeepIDs(ctx context.Context, tx *sqlx.Tx, user int64, ids []uuid.UUID) (map[product.UploadRef]bool, error) {
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

// Purge deletes uploads that no image names, with outbox rows that delete their objects. It
// keeps the others for another day. It is a step of the reconciler.
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
