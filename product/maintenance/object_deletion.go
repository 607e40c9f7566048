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

// deletionTime bounds one deletion, which holds a lock. It is shorter than a session may be
// idle in its transaction.
const deletionTime = 8 * time.Second

// ObjectDeleter deletes objects. A missing object is no error.
type ObjectDeleter interface {
	DeletePrefix(ctx context.Context, prefix string) error
	Delete(ctx context.Context, key string) error
}

// deletions deletes objects that no image has.
type deletions struct {
	store   *postgres.DB
	jobs    *job.Store
	objects ObjectDeleter
}

// NewDeletionRelay returns the relay that deletes the objects of removed images, uploads
// that are no longer kept, and originals that no image needs any more.
//
// A deletion that was begun and is not known to have ended may have removed what a worker
// has stored since: an image that has the digest by then is processed again.
func NewDeletionRelay(store *postgres.DB, box *outbox.Store, jobs *job.Store, objects ObjectDeleter, wake <-chan struct{}, log *logrus.Logger) *outbox.Relay {
	d := deletions{store: store, jobs: jobs, objects: objects}
	return outbox.NewRelay(box, outbox.KindDeleteObjects, 10, outbox.Each(func(ctx context.Context, row outbox.Claimed) error {
		ctx = product.WithRequestID(ctx, row.RequestID)
		var p outbox.DeletionPayload
		if err := json.Unmarshal(row.Payload, &p); err != nil {
			return fmt.Errorf("deletion of objects: %w", err)
		}
		if p.Key != "" { // nothing needs the object, or who does can do without
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

// mark records that the deletion is about to begin, unless an image has the
// objects.
func (d deletions) mark(ctx context.Context, id int64, p outbox.DeletionPayload) error {
	const q = `
		UPDATE outbox SET payload = payload || '{"begun": true}'
		WHERE id = $3 AND NOT EXISTS (SELECT 1 FROM images,` + catalogue.OneDigest + `WHERE` + catalogue.UsesObjects + `)`
	return d.store.InTx(ctx, "mark deletion", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, p.ObjectKey, p.SHA256, id)
		return err
	})
}

// delete removes what is stored under a digest, including an original that was kept,
// unless an image of the product still has it, which used says. The lock is the one of
// [job.Store.Reserve]: a worker either has reserved the digest before, and it is seen here, or
// stores after the end.
//
// The lock is gone with its session, and the deletion does not notice: if the session has
// not lasted, what was stored meanwhile is made again.
func (d deletions) delete(ctx context.Context, objectKey uuid.UUID, sha256 string) (used bool, err error) {
	const q = `SELECT EXISTS (SELECT 1 FROM images,` + catalogue.OneDigest + `WHERE` + catalogue.UsesObjects + `)`
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
		// What was deleted has to be made again even if ctx has ended.
		err = d.jobs.ProcessAgain(context.WithoutCancel(ctx), objectKey, sha256)
	}
	if storeErr != nil {
		storeErr = fmt.Errorf("delete objects: %w", storeErr)
	}
	return used, errors.Join(storeErr, err)
}
