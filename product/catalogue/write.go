package catalogue

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Edit is a change of one product within a transaction. The product's row is locked, so no
// other transaction changes the product or the state of its images.
type Edit struct {
	Tx      *sqlx.Tx
	Product productRow
	Images  []ImageRow   // in order; SetImage keeps them equal to the table
	before  []ImageRow   // as they were read at the beginning
	Outbox  []outbox.Row // written when the change is complete
	Changed bool         // clients see a difference, so the product gets its next version
	deleted bool
}

// reload reads the images again.
func (e *Edit) reload(ctx context.Context) (err error) {
	e.Images, err = selectImages(ctx, e.Tx, e.Product.ID)
	return err
}

// Write is the only way to change an existing product. Requests, workers, replays and
// maintenance all use it for every column of products and images that clients see; no
// statement outside its transaction may write them. [Service.Create] inserts products.
//
// Write runs one transaction that locks the product first and puts a tombstone in the cache
// last. It then publishes the new value in the cache and returns it. doing names the change
// in errors.
//
// f writes rows of images itself and changes the fields of [Edit.Product] in memory. An error
// of f rolls everything back and is returned. If f leaves [Edit.Changed] false, the version
// and the cached value stay as they are.
//
// The tombstone is set under the lock, so the tombstones of a product follow the order of its
// commits: a writer that finds another tombstone in place of its own knows that it belongs to
// a later write. A session that has lost the lock by then cannot commit, and its tombstone
// expires. The tombstone is set after the last statement, so that
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
		// The transaction may have been committed, so the tombstone stays until it expires.
		return product.Snapshot{}, err
	}
	if !e.Changed {
		return after, nil
	}
	s.events.NotifyCommit()
	return after, s.publish(ctx, e.Product, key, token, after, e.deleted)
}

// finish writes the product's next version and the outbox rows. It returns what clients will
// see, or an empty snapshot if the product is deleted.
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

// publish puts the result of a committed write in the cache; see [outbox.Store.Conclude].
func (s *Service) publish(ctx context.Context, p productRow, key, token string, after product.Snapshot, deleted bool) error {
	return s.outbox.Conclude(ctx, outbox.Invalidation(p.ObjectKey, key), token, s.cache.Lag(), func(ctx context.Context) error {
		if token == "" || deleted {
			return s.cache.Drop(ctx, key)
		}
		return s.cache.Replace(ctx, key, token, cacheValue(after))
	})
}

// snapshot returns a product as clients see it.
func (s *Service) snapshot(p productRow, images []ImageRow) (product.Snapshot, error) {
	data, err := s.encode(p, images)
	return product.Snapshot{ID: p.ID, Owner: p.UserID, Version: p.Version, Data: data}, err
}

// change describes a write for the event log.
type change struct {
	event  event.Type
	image  uuid.NullUUID       // the image that the event is about, if it is one
	images product.ImageStatus // of all images together
}

// changeOf compares the images before and after a write. If the state of exactly one image
// differs, the event is about that image.
func changeOf(before, after []ImageRow) change {
	c := change{event: event.ProductUpdated, images: summarize(after)}
	if len(before) != len(after) {
		return c
	}
	var moved *ImageRow
	for i := range after {
		switch {
		case before[i].ID != after[i].ID:
			return c
		case before[i].Status == after[i].Status && before[i].Attempts == after[i].Attempts:
		case moved != nil:
			return c
		default:
			moved = &after[i]
		}
	}
	if moved != nil {
		c.event = event.Type("image." + string(moved.Status))
		c.image = uuid.NullUUID{UUID: moved.ID, Valid: true}
	}
	return c
}
