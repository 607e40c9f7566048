package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// deletionTime bounds one deletion, which holds a lock. It is shorter than a session may be
// idle in its transaction.
const deletionTime = 8 * time.Second

// ObjectDeleter deletes objects. A missing object is no error.
type ObjectDeleter interface {
	DeletePrefix(ctx context.Context, prefix string) error
	Delete(ctx context.Context, key string) error
}

// NewDeletionRelay returns the relay that deletes the objects of removed images, uploads
// that are no longer kept, and originals that no image needs any more.
//
// A deletion that was begun and is not known to have ended may have removed what a worker
// has stored since: an image that has the digest by then is processed again.
func NewDeletionRelay(service *Service, objects ObjectDeleter, wake <-chan struct{}, log *logrus.Logger) *Relay {
	store := service.store
	return NewRelay(store, KindDeleteObjects, 10, each(func(ctx context.Context, row Row) error {
		ctx = WithRequestID(ctx, row.RequestID)
		var p deletionPayload
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return fmt.Errorf("deletion of objects: %w", err)
		}
		if p.Key != "" { // nothing needs the object, or who does can do without
			return objects.Delete(ctx, p.Key)
		}
		if !p.Begun {
			if err := store.markDeletion(ctx, row.ID, p); err != nil {
				return err
			}
		}
		used, err := service.deleteObjects(ctx, objects, p.ObjectKey, p.SHA256)
		if used && p.Begun {
			return service.processAgain(ctx, p.ObjectKey, p.SHA256)
		}
		return err
	}), wake, log)
}

const (
	// usesObjects is true of images that have the objects of o, a digest. A ready image
	// has those that it names and those that it has reserved; others may be about to
	// store.
	usesObjects = ` product_id = (SELECT products.id FROM products WHERE products.object_key = o.object_key) AND (source_sha256 = o.sha256 AND status <> 'ready' OR reserved_sha256 = o.sha256 OR EXISTS (
		SELECT 1 FROM jsonb_array_elements(variants) AS v
		WHERE starts_with(v ->> 'key', '` + imaging.VariantPrefix + `' || o.object_key || '/' || o.sha256 || '/'))) `
	// oneDigest is the o of object key $1 and digest $2.
	oneDigest = ` (SELECT cast($1 AS uuid) AS object_key, cast($2 AS text) AS sha256) AS o `
)

// markDeletion records that the deletion is about to begin, unless an image has the
// objects.
func (s *Store) markDeletion(ctx context.Context, id int64, p deletionPayload) error {
	const q = `
		UPDATE outbox SET payload = payload || '{"begun": true}'
		WHERE id = $3 AND NOT EXISTS (SELECT 1 FROM images,` + oneDigest + `WHERE` + usesObjects + `)`
	return s.inTx(ctx, "mark deletion", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, p.ObjectKey, p.SHA256, id)
		return err
	})
}

// deleteObjects removes what is stored under a digest, including an original that was kept,
// unless an image of the product still has it, which used says. The lock is the one of
// [Jobs.Reserve]: a worker either has reserved the digest before, and it is seen here, or
// stores after the end.
//
// The lock is gone with its session, and the deletion does not notice: if the session has
// not lasted, what was stored meanwhile is made again.
func (s *Service) deleteObjects(
	ctx context.Context, objects ObjectDeleter, objectKey uuid.UUID, sha256 string,
) (used bool, err error) {
	const q = `SELECT EXISTS (SELECT 1 FROM images,` + oneDigest + `WHERE` + usesObjects + `)`
	var begun bool
	var storeErr error
	err = s.store.inTxFor(ctx, deletionTime, nil, "delete objects", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := lockObjects(ctx, tx, objectKey, sha256); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &used, q, objectKey, sha256); err != nil || used {
			return err
		}
		begun = true
		storeErr = errors.Join(objects.DeletePrefix(ctx, imaging.VariantFolder(objectKey, sha256)), objects.Delete(ctx, imaging.OriginalKey(objectKey, sha256)))
		return nil
	})
	if begun && err != nil {
		// What was deleted has to be made again even if ctx has ended.
		err = s.processAgain(context.WithoutCancel(ctx), objectKey, sha256)
	}
	if storeErr != nil {
		storeErr = fmt.Errorf("delete objects: %w", storeErr)
	}
	return used, errors.Join(storeErr, err)
}

// processAgain begins the processing anew of images that have a digest whose objects may be
// gone. Pending and failed images need nothing: what they get is stored later.
func (s *Service) processAgain(ctx context.Context, objectKey uuid.UUID, sha256 string) error {
	const find = `SELECT id FROM products WHERE object_key = $1`
	const q = `
		UPDATE images SET status = 'pending', generation = generation + 1, attempts = 0, deferrals = 0, reprocess = '{}',
			sent = false, queued_at = clock_timestamp(), settled_at = NULL, request_id = $3,` + unclaim + `
		FROM` + oneDigest + `
		WHERE status IN ('processing', 'ready') AND` + usesObjects + `
		RETURNING generation, ` + imageColumns
	var id int64
	err := s.store.read(ctx, "product of object key", func(ctx context.Context) error {
		return s.store.db.GetContext(ctx, &id, find, objectKey)
	})
	if err == nil {
		_, err = s.write(ctx, Everything(), id, "process images again", func(ctx context.Context, e *edit) error {
			var begun []struct {
				imageRow
				Generation int64 `db:"generation"`
			}
			if err := e.tx.SelectContext(ctx, &begun, q, objectKey, sha256, RequestID(ctx)); err != nil {
				return fmt.Errorf("process images again: %w", err)
			}
			for _, image := range begun {
				e.Replace(image.imageRow)
				e.Enqueue(image.ID, image.Generation, PriorityFirst)
				e.changed = true
			}
			return nil
		})
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// lockObjects keeps storing and deleting under one digest apart until the end of tx.
func lockObjects(ctx context.Context, tx *sqlx.Tx, objectKey uuid.UUID, sha256 string) error {
	const q = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
	if _, err := tx.ExecContext(ctx, q, imaging.VariantFolder(objectKey, sha256)); err != nil {
		return fmt.Errorf("lock objects: %w", err)
	}
	return nil
}
