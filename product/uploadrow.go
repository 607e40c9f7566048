package product

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/imaging"
)

// uploadPrefix begins the keys of uploads, which nobody but the service may read.
const uploadPrefix = "uploads/"

// uploadKey is where the object of a user's upload is.
func uploadKey(user int64, id uuid.UUID) string {
	return uploadPrefix + strconv.FormatInt(user, 10) + "/" + id.String()
}

// uploadSource is how an image names a user's upload.
func uploadSource(user int64, id uuid.UUID) string {
	return imaging.UploadScheme + uploadKey(user, id)
}

// upload is what a source names.
type upload struct {
	User int64     `db:"user_id"`
	ID   uuid.UUID `db:"id"`
}

// parseUploadSource reads what uploadSource writes, and nothing else: an upload
// has one name.
func parseUploadSource(source string) (upload, bool) {
	return parseUploadKey(strings.TrimPrefix(source, imaging.UploadScheme))
}

func parseUploadKey(key string) (upload, bool) {
	user, id, _ := strings.Cut(strings.TrimPrefix(key, uploadPrefix), "/")
	u := upload{}
	var errs [2]error
	u.User, errs[0] = strconv.ParseInt(user, 10, 64)
	u.ID, errs[1] = uuid.Parse(id)
	return u, errs == [2]error{} && u.User > 0 && uploadKey(u.User, u.ID) == key
}

// insertUpload makes a place for a file of the user's. An unknown user is a
// [*ValidationError].
func insertUpload(ctx context.Context, tx *sqlx.Tx, u upload) error {
	const q = `INSERT INTO uploads (id, user_id) VALUES ($1, $2)`
	_, err := tx.ExecContext(ctx, q, u.ID, u.User)
	if e := pq.As(err, pqerror.ForeignKeyViolation); e != nil && e.Constraint == "uploads_user_id_fkey" {
		return errUnknownUser()
	}
	if err != nil {
		return fmt.Errorf("insert upload: %w", err)
	}
	return nil
}

// nameUploads keeps the uploads that new images of owner name, or gives a
// [*ValidationError] for those that owner has none such: field gives the place of
// an image in the input. Whether a file has arrived there is found out by the
// worker. It keeps those that removed images have released with them, all at once:
// two products that exchange theirs would otherwise wait for each other.
func nameUploads(
	ctx context.Context, tx *sqlx.Tx, owner int64, images []pendingImage, released []uuid.UUID, field func(pendingImage) string,
) error {
	ids := slices.Clone(released)
	for _, image := range images {
		if u, ok := parseUploadSource(image.source); ok && u.User == owner {
			ids = append(ids, u.ID)
		}
	}
	known, err := keepUploads(ctx, tx, owner, ids)
	if err != nil {
		return err
	}
	var f faults
	for _, image := range images {
		if u, ok := parseUploadSource(image.source); ok && !known[u] {
			f.unknownUpload(field(image))
		}
	}
	return f.err()
}

// keepUploads keeps those of the user's uploads that there are for another day, in
// one order, and says which they are. Being updated, not merely locked, they are seen by a
// purge that has begun before.
func keepUploads(ctx context.Context, tx *sqlx.Tx, user int64, ids []uuid.UUID) (map[upload]bool, error) {
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
	var kept []upload
	if err := tx.SelectContext(ctx, &kept, q, uuidArray(ids), user); err != nil {
		return nil, fmt.Errorf("keep uploads: %w", err)
	}
	known := make(map[upload]bool, len(kept))
	for _, u := range kept {
		known[u] = true
	}
	return known, nil
}

// removeImages removes images of the product and, later, their objects. Uploads
// that they named are kept for another day: they may be named again.
func (e *edit) removeImages(ctx context.Context, ids []uuid.UUID) error {
	if _, err := keepUploads(ctx, e.tx, e.product.UserID, e.uploadsOf(ids)); err != nil {
		return err
	}
	return e.deleteImages(ctx, ids)
}

// uploadsOf gives the uploads that images of the product name.
func (e *edit) uploadsOf(images []uuid.UUID) (named []uuid.UUID) {
	for i := range e.images {
		if u, ok := parseUploadSource(e.images[i].Source); ok && slices.Contains(images, e.images[i].ID) {
			named = append(named, u.ID)
		}
	}
	return named
}

// purgeUploads forgets uploads that no image names, and has their objects deleted.
// The others are looked at again after a day.
func purgeUploads(ctx context.Context, tx *sqlx.Tx) (int64, error) {
	const q = `
		WITH due AS (
			SELECT id, user_id, EXISTS (
				SELECT 1 FROM images
				WHERE starts_with(source, 'upload:') AND source = 'upload:uploads/' || uploads.user_id || '/' || uploads.id
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
			DELETE FROM uploads USING due WHERE uploads.id = due.id AND NOT due.named RETURNING uploads.id, uploads.user_id
		),
		written AS (
			INSERT INTO outbox (kind, subject, payload)
			SELECT 'delete_objects', id, jsonb_build_object('upload', 'uploads/' || user_id || '/' || id) FROM gone
		)
		SELECT count(*) FROM due`
	var n int64
	if err := tx.GetContext(ctx, &n, q, reconcileBatch); err != nil {
		return 0, fmt.Errorf("purge uploads: %w", err)
	}
	return n, nil
}

func (f *faults) unknownUpload(field string) {
	f.add(field, "unknown_upload", "names no upload of the product's owner")
}

// inProductImages is where an image stands in a product's own list.
func inProductImages(image pendingImage) string {
	return "product_images/" + strconv.Itoa(image.position)
}

// optional is a column that may be null.
func optional(s *string) sql.NullString {
	if s == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *s, Valid: true}
}
