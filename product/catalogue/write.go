package catalogue

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// edit is a product that is being changed: the row is locked, so that nobody
// else changes the product or the state of its images.
type Edit struct {
	Tx      *sqlx.Tx
	Product productRow
	Images  []ImageRow // to be kept in step with what is written
	before  []ImageRow // as they were found
	Outbox  []outbox.Row
	Changed bool // clients see a difference: there is a next version
	deleted bool
}

// reload reads the images anew.
func (e *Edit) reload(ctx context.Context) (err error) {
	e.Images, err = selectImages(ctx, e.Tx, e.Product.ID)
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
func (s *Service) Write(ctx context.Context, scope product.Scope, id int64, doing string, f func(context.Context, *Edit) error) (product.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, postgres.WriteTimeout)
	defer cancel()
	var e Edit
	var after product.Snapshot
	var token string
	key, err := s.cacheKey(ctx, id)
	if err != nil {
		return product.Snapshot{}, err
	}
	err = s.store.InTx(ctx, doing, func(ctx context.Context, tx *sqlx.Tx) (err error) {
		e.Tx = tx
		if e.Product, err = lockProduct(ctx, tx, scope, id); err != nil {
			return err
		}
		if err := e.reload(ctx); err != nil {
			return err
		}
		e.before = slices.Clone(e.Images)
		if err := f(ctx, &e); err != nil {
			return err
		}
		if after, err = s.finish(ctx, &e); err != nil || !e.Changed {
			return err
		}
		if token, err = s.cache.Forbid(ctx, key); err != nil {
			return outbox.Insert(ctx, tx, []outbox.Row{outbox.Invalidation(e.Product.ObjectKey, key)})
		}
		return nil
	})
	if err != nil {
		// It may have been committed: the tombstone stays until it ends by itself.
		return product.Snapshot{}, err
	}
	if !e.Changed {
		return after, nil
	}
	s.events.NotifyCommit()
	return after, s.publish(ctx, e.Product, key, token, after, e.deleted)
}

// finish writes the product's next version and the outbox rows, and gives what
// clients will see; nothing where the product is deleted.
func (s *Service) finish(ctx context.Context, e *Edit) (product.Snapshot, error) {
	if err := outbox.Insert(ctx, e.Tx, e.Outbox); err != nil || e.deleted {
		return product.Snapshot{}, err
	}
	if !e.Changed {
		return s.snapshot(e.Product, e.Images)
	}
	e.Product.Images, e.Product.Compressed = make(pq.StringArray, len(e.Images)), nil
	for i := range e.Images {
		e.Product.Images[i] = e.Images[i].Source
		if v := e.Images[i].main(); v != nil {
			e.Product.Compressed = append(e.Product.Compressed, v.Key)
		}
	}
	e.Product.ImageStatus = summarize(e.Images)
	if err := updateProduct(ctx, e.Tx, &e.Product, changeOf(e.before, e.Images)); err != nil {
		return product.Snapshot{}, err
	}
	return s.snapshot(e.Product, e.Images)
}

// publish shows a committed write of a product in the cache; see conclude.
func (s *Service) publish(ctx context.Context, p productRow, key, token string, after product.Snapshot, deleted bool) error {
	return s.outbox.Conclude(ctx, outbox.Invalidation(p.ObjectKey, key), token, s.cache.Lag(), func(ctx context.Context) error {
		if token == "" || deleted {
			return s.cache.Drop(ctx, key)
		}
		return s.cache.Replace(ctx, key, token, cacheValue(after))
	})
}

func (s *Service) snapshot(p productRow, images []ImageRow) (product.Snapshot, error) {
	data, err := s.encode(p, images)
	return product.Snapshot{ID: p.ID, Owner: p.UserID, Version: p.Version, Data: data}, err
}
