package product

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// edit is a product that is being changed: the row is locked, so that nobody
// else changes the product or the state of its images.
type edit struct {
	tx      *sqlx.Tx
	product productRow
	images  []imageRow // to be kept in step with what is written
	before  []imageRow // as they were found
	outbox  []outboxRow
	changed bool // clients see a difference: there is a next version
	deleted bool
}

// reload reads the images anew.
func (e *edit) reload(ctx context.Context) (err error) {
	e.images, err = selectImages(ctx, e.tx, e.product.ID)
	return err
}

// write is the only way in which clients, workers and the upkeep change what clients see of
// a product and its images: one transaction that locks the product first and puts a
// tombstone in the cache last. The new value is in the cache before write returns.
//
// f changes rows of images itself and fields of e.product in memory. An error of f undoes
// everything and is returned. Without e.changed only what f wrote is written; the version
// and the cached value stay.
//
// The tombstone is set under the lock, so that the tombstones of a product come in the order
// of its commits: a writer that finds another tombstone in place of its own knows that it is
// not of an earlier write. A session that has lost the lock by then cannot commit, and its
// tombstone expires. It is set after the last statement, so that
// idle_in_transaction_session_timeout ends the transaction of a frozen process before the
// tombstone expires.
func (s *Service) write(ctx context.Context, scope Scope, id int64, doing string, f func(context.Context, *edit) error) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var e edit
	var after Snapshot
	var token string
	key, err := s.cacheKey(ctx, id)
	if err != nil {
		return Snapshot{}, err
	}
	err = s.store.inTx(ctx, doing, func(ctx context.Context, tx *sqlx.Tx) (err error) {
		e.tx = tx
		if e.product, err = lockProduct(ctx, tx, scope, id); err != nil {
			return err
		}
		if err := e.reload(ctx); err != nil {
			return err
		}
		e.before = slices.Clone(e.images)
		if err := f(ctx, &e); err != nil {
			return err
		}
		if after, err = s.finish(ctx, &e); err != nil || !e.changed {
			return err
		}
		if token, err = s.cache.Forbid(ctx, key); err != nil {
			return insertOutbox(ctx, tx, []outboxRow{invalidationRow(e.product.ObjectKey, key)})
		}
		return nil
	})
	if err != nil {
		// It may have been committed: the tombstone stays until it ends by itself.
		return Snapshot{}, err
	}
	if !e.changed {
		return after, nil
	}
	s.events.committed()
	return after, s.publish(ctx, e.product, key, token, after, e.deleted)
}

// finish writes the product's next version and the outbox rows, and gives what
// clients will see; nothing where the product is deleted.
func (s *Service) finish(ctx context.Context, e *edit) (Snapshot, error) {
	if err := insertOutbox(ctx, e.tx, e.outbox); err != nil || e.deleted {
		return Snapshot{}, err
	}
	if !e.changed {
		return s.snapshot(e.product, e.images)
	}
	e.product.Images, e.product.Compressed = make(pq.StringArray, len(e.images)), nil
	for i := range e.images {
		e.product.Images[i] = e.images[i].Source
		if v := e.images[i].main(); v != nil {
			e.product.Compressed = append(e.product.Compressed, v.Key)
		}
	}
	e.product.ImageStatus = summarize(e.images)
	if err := updateProduct(ctx, e.tx, &e.product, changeOf(e.before, e.images)); err != nil {
		return Snapshot{}, err
	}
	return s.snapshot(e.product, e.images)
}

// publish shows a committed write of a product in the cache; see conclude.
func (s *Service) publish(ctx context.Context, p productRow, key, token string, after Snapshot, deleted bool) error {
	return s.outbox.conclude(ctx, invalidationRow(p.ObjectKey, key), token, s.cache.Lag(), func(ctx context.Context) error {
		if token == "" || deleted {
			return s.cache.Drop(ctx, key)
		}
		return s.cache.Replace(ctx, key, token, cacheValue(after))
	})
}

func (s *Service) snapshot(p productRow, images []imageRow) (Snapshot, error) {
	data, err := s.encode(p, images)
	return Snapshot{ID: p.ID, Owner: p.UserID, Version: p.Version, Data: data}, err
}
