package product

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// ProcessAgain begins the processing anew of images that have a digest whose objects may be
// gone. Pending and failed images need nothing: what they get is stored later.
func (j *Jobs) ProcessAgain(ctx context.Context, objectKey uuid.UUID, sha256 string) error {
	const find = `SELECT id FROM products WHERE object_key = $1`
	const q = `
		UPDATE images SET status = 'pending', generation = generation + 1, attempts = 0, deferrals = 0, reprocess = '{}',
			sent = false, queued_at = clock_timestamp(), settled_at = NULL, request_id = $3,` + unclaim + `
		FROM` + oneDigest + `
		WHERE status IN ('processing', 'ready') AND` + usesObjects + `
		RETURNING generation, ` + imageColumns
	var id int64
	err := j.store.get(ctx, "product of object key", &id, find, objectKey)
	if err == nil {
		_, err = j.catalogue.write(ctx, Everything(), id, "process images again", func(ctx context.Context, e *edit) error {
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
