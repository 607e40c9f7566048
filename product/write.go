package product

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// edit is a product that is being changed: the row is locked, so that nobody
// else changes the product or the state of its images.
type edit struct {
	tx      *sqlx.Tx
	product productRow
	images  []imageRow // to be kept in step with what is written
	outbox  []outboxRow
	changed bool // clients see a difference: there is a next version
	deleted bool
}

// reload reads the images anew.
func (e *edit) reload(ctx context.Context) (err error) {
	e.images, err = selectImages(ctx, e.tx, e.product.ID)
	return err
}

// write is the one way in which a product and its images change, for clients and
// workers alike: a tombstone in the cache, one transaction that locks the
// product first, and the new value in the cache before the caller learns of it.
//
// f changes rows of images itself and fields of e.product in memory. An error of
// f undoes everything and is handed on. Without e.changed nothing is written but
// what f wrote, and the version stays.
func (s *Service) write(ctx context.Context, id uuid.UUID, doing string, f func(context.Context, *edit) error) (Snapshot, error) {
	key := cacheKey(id)
	token, forbidErr := s.cache.Forbid(ctx, key)
	var before, after Snapshot
	var deleted, refused bool
	err := s.store.inTx(ctx, doing, func(ctx context.Context, tx *sqlx.Tx) (err error) {
		e := edit{tx: tx}
		if e.product, err = lockProduct(ctx, tx, id); err != nil {
			return err
		}
		if err := e.reload(ctx); err != nil {
			return err
		}
		if before, err = s.snapshot(e.product, e.images); err != nil {
			return err
		}
		if err := f(ctx, &e); err != nil {
			refused = true
			return err
		}
		if forbidErr != nil && e.changed {
			e.outbox = append(e.outbox, invalidationRow(id))
		}
		deleted = e.deleted
		after, err = s.finish(ctx, &e, before)
		return err
	})
	switch {
	case refused:
		// Undone, so that what was read under the lock still holds.
		_ = s.cache.Replace(ctx, key, token, cacheValue(before))
		return Snapshot{}, err
	case errors.Is(err, ErrNotFound):
		_ = s.cache.Drop(ctx, key) // there is nothing to show any more
		return Snapshot{}, err
	case err != nil:
		// It may have been committed: the tombstone stays until it ends by itself.
		return Snapshot{}, err
	case deleted:
		return Snapshot{}, s.publish(ctx, id, "", nil, forbidErr != nil)
	}
	return after, s.publish(ctx, id, token, cacheValue(after), forbidErr != nil || after.Version == before.Version)
}

// finish writes the product's next version and the outbox rows.
func (s *Service) finish(ctx context.Context, e *edit, before Snapshot) (Snapshot, error) {
	if err := insertOutbox(ctx, e.tx, e.outbox); err != nil {
		return Snapshot{}, err
	}
	if !e.changed || e.deleted {
		return before, nil
	}
	e.product.Images, e.product.Compressed = make(pq.StringArray, len(e.images)), nil
	for i := range e.images {
		e.product.Images[i] = e.images[i].Source
		if v := e.images[i].main(); v != nil {
			e.product.Compressed = append(e.product.Compressed, v.Key)
		}
	}
	if err := updateProduct(ctx, e.tx, &e.product); err != nil {
		return Snapshot{}, err
	}
	return s.snapshot(e.product, e.images)
}

// publish shows a committed write in the cache; without a token it removes the
// key. Where the cache fails, an invalidation is recorded, unless there is one
// already, and waited for. An error says that the caller must not acknowledge the
// write.
func (s *Service) publish(ctx context.Context, id uuid.UUID, token string, value []byte, recorded bool) error {
	var err error
	if token == "" {
		err = s.cache.Drop(ctx, cacheKey(id))
	} else {
		err = s.cache.Replace(ctx, cacheKey(id), token, value)
	}
	if err == nil {
		return nil
	}
	if !recorded {
		// The write is done, so its caller's end must not keep it from being seen.
		err := s.store.inTx(context.WithoutCancel(ctx), "record invalidation", func(ctx context.Context, tx *sqlx.Tx) error {
			return insertOutbox(ctx, tx, []outboxRow{invalidationRow(id)})
		})
		if err != nil {
			return err
		}
	}
	return s.awaitInvalidation(ctx, id)
}

func (s *Service) snapshot(p productRow, images []imageRow) (Snapshot, error) {
	data, err := s.encode(p, images)
	return Snapshot{ID: p.ID, Owner: p.UserID, Version: p.Version, Data: data}, err
}
