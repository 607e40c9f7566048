package catalogue

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Create stores a product with its images, which are pending at first. The request may be
// repeated: replayed reports whether the first request with the key created the product,
// which is returned as it was then.
//
// Errors: [*product.ValidationError], [product.ErrKeyReused], [product.ErrKeyInProgress].
// After [product.ErrUnavailable], or if ctx ends, the product may or may not exist; repeat
// the call with the same key to find out. After any other error nothing is stored, not even
// the key.
func (s *Service) Create(ctx context.Context, scope product.Scope, n product.NewProduct, once postgres.Idempotency) (created product.Snapshot, replayed bool, err error) {
	if err := n.Validate(); err != nil {
		return product.Snapshot{}, false, err
	}
	if !scope.Covers(n.UserID) {
		return product.Snapshot{}, false, product.UnknownUser()
	}
	images, jobs, err := newImages(n.Images)
	if err != nil {
		return product.Snapshot{}, false, err
	}
	// The id is new, so nothing can be cached under it yet.
	err = s.store.InTx(ctx, "create product", func(ctx context.Context, tx *sqlx.Tx) error {
		first, err := once.Begin(ctx, tx)
		if err != nil {
			return err
		}
		if replayed = first != nil; replayed {
			created, err = snapshotOf(first)
			return err
		}
		id, err := insertProduct(ctx, tx, n, scope.Creates(n.UserID))
		if err != nil {
			return err
		}
		if err := nameListedUploads(ctx, tx, n.UserID, images, nil); err != nil {
			return err
		}
		if err := insertImages(ctx, tx, id, images); err != nil {
			return err
		}
		if err := outbox.Insert(ctx, tx, jobs); err != nil {
			return err
		}
		if created, err = s.load(ctx, tx, scope, id); err != nil {
			return err
		}
		return once.Keep(ctx, tx, created.Data)
	})
	if err != nil {
		return product.Snapshot{}, false, err
	}
	s.events.NotifyCommit()
	return created, replayed, nil
}

// newImages returns pending images at consecutive positions, and their jobs.
func newImages(sources []string) ([]pendingImage, []outbox.Row, error) {
	images, jobs := make([]pendingImage, len(sources)), make([]outbox.Row, len(sources))
	for i, source := range sources {
		id, err := postgres.NewID()
		if err != nil {
			return nil, nil, err
		}
		images[i], jobs[i] = pendingImage{ID: id, position: i, source: source}, outbox.Job(id, 1, outbox.PriorityFirst)
	}
	return images, jobs, nil
}

// initialStatus returns the state of the images of a new product.
func initialStatus(sources []string) product.ImageStatus {
	if len(sources) == 0 {
		return product.ImagesNone
	}
	return product.ImagesPending
}

// snapshotOf returns a product from the data kept with an idempotency key.
func snapshotOf(data []byte) (product.Snapshot, error) {
	var head struct {
		ID      int64 `json:"id"`
		UserID  int64 `json:"user_id"`
		Version int64 `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return product.Snapshot{}, fmt.Errorf("decode stored product: %w", err)
	}
	return product.Snapshot{ID: head.ID, Owner: head.UserID, Version: head.Version, Data: data}, nil
}
