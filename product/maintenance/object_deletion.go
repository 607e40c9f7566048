package maintenance

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
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/job"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// deletionTime bounds one deletion, which holds a lock. It is shorter than
// idle_in_transaction_session_timeout.
const deletionTime = 8 * time.Second

// ObjectDeleter deletes objects. A missing object is not an error.
type ObjectDeleter interface {
	DeletePrefix(ctx context.Context, prefix string) error
	Delete(ctx context.Context, key string) error
}

// deletions deletes objects that no image uses.
type deletions struct {
	store   *postgres.DB
	jobs    *job.Store
	objects ObjectDeleter
}

// NewDeletionRelay returns the relay that deletes the objects of removed images, expired uploads,
// and originals that no image needs any more.
//
// A deletion that started and is not known to have ended may have deleted objects that a
// worker stored meanwhile. Images that use the digest by then are processed again.
func NewDeletionRelay(store *postgres.DB, box *outbox.Store, jobs *job.Store, objects ObjectDeleter, wake <-chan struct{}, log *logrus.Logger) *outbox.Relay {
	d := deletions{store: store, jobs: jobs, objects: objects}
	return outbox.NewRelay(box, outbox.KindDeleteObjects, 10, outbox.Each(func(ctx context.Context, row outbox.Claimed) error {
		ctx = product.WithRequestID(ctx, row.RequestID)
		var p outbox.DeletionPayload
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return fmt.Errorf("decode deletion: %w", err)
		}
		if p.Key != "" { // a single object that nothing depends on
			return objects.Delete(ctx, p.Key)
		}
		if !p.Begun {
			if err := d.mark(ctx, row.ID, p); err != nil {
				return err
			}
		}
		used, err := d.delete(ctx, p.ObjectKey, p.SHA256)
		if used && p.Begun {
			return jobs.ProcessAgain(ctx, p.ObjectKey, p.SHA256)
		}
		return err
	}), wake, log)
}

// mark records that the deletion is about to start, unless an image uses the objects.
func (d deletions) mark(ctx context.Context, id int64, p outbox.DeletionPayload) error {
	const q = `
		UPDATE outbox SET payload = payload || '{"begun": true}'
		WHERE id = $3 AND NOT EXISTS (SELECT 1 FROM images,` + catalogue.DigestSQL + `WHERE` + catalogue.UsesObjectsSQL + `)`
	return d.store.InTx(ctx, "mark deletion", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, p.ObjectKey, p.SHA256, id)
		return err
	})
}

// delete deletes the objects of a digest, including a kept original, unless an image of the
// product uses them, which used reports. It takes the lock of [job.Store.Reserve]: a worker has
// either reserved the digest before, which is visible here, or stores after the deletion.
//
// If the session ends during the deletion, so does the lock. The images that use the digest by
// then are processed again.
func (d deletions) delete(ctx context.Context, objectKey uuid.UUID, sha256 string) (used bool, err error) {
	const q = `SELECT EXISTS (SELECT 1 FROM images,` + catalogue.DigestSQL + `WHERE` + catalogue.UsesObjectsSQL + `)`
	var begun bool
	var storeErr error
	err = d.store.InTxWithin(ctx, deletionTime, "delete objects", func(ctx context.Context, tx *sqlx.Tx) error {
		if err := catalogue.LockObjects(ctx, tx, objectKey, sha256); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &used, q, objectKey, sha256); err != nil || used {
			return err
		}
		begun = true
		storeErr = errors.Join(d.objects.DeletePrefix(ctx, imaging.VariantFolder(objectKey, sha256)), d.objects.Delete(ctx, imaging.OriginalKey(objectKey, sha256)))
		return nil
	})
	if begun && err != nil {
		// Deleted objects have to be made again even if ctx has ended.
		err = d.jobs.ProcessAgain(context.WithoutCancel(ctx), objectKey, sha256)
	}
	if storeErr != nil {
		storeErr = fmt.Errorf("delete objects: %w", storeErr)
	}
	return used, errors.Join(storeErr, err)
}
