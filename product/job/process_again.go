package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/outbox"
)

// ProcessAgain restarts the processing of ready and leased images that use a digest whose
// objects may have been deleted. Pending and failed images store their objects later
// anyway.
func (j *Store) ProcessAgain(ctx context.Context, objectKey uuid.UUID, sha256 string) error {
	const find = `SELECT id FROM products WHERE object_key = $1`
	const q = `
		UPDATE images SET status = 'pending', generation = generation + 1, attempts = 0, deferrals = 0, reprocess = '{}',
			queued_at = clock_timestamp(), settled_at = NULL, request_id = $3,` + endLeaseSQL + `
		FROM` + catalogue.DigestSQL + `
		WHERE status IN ('processing', 'ready') AND` + catalogue.UsesObjectsSQL + `
		RETURNING generation, ` + catalogue.ImageColumns
	var id int64
	err := j.store.Get(ctx, "product of object key", &id, find, objectKey)
	if err == nil {
		_, err = j.catalogue.Write(ctx, product.Everything(), id, "process images again", func(ctx context.Context, e *catalogue.Edit) error {
			var restarted []struct {
				catalogue.ImageRow
				Generation int64 `db:"generation"`
			}
			if err := e.Tx.SelectContext(ctx, &restarted, q, objectKey, sha256, product.RequestID(ctx)); err != nil {
				return fmt.Errorf("process images again: %w", err)
			}
			for _, image := range restarted {
				e.SetImage(image.ImageRow)
				e.Enqueue(image.ID, image.Generation, outbox.PriorityFirst)
				e.Changed = true
			}
			return nil
		})
	}
	if errors.Is(err, product.ErrNotFound) {
		return nil
	}
	return err
}
