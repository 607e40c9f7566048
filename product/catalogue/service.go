package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Cache is what the service needs of a cache: it keeps byte strings under keys,
// and a write of a product forbids its old value before it commits.
type Cache interface {
	// Fetch gives the value under key, or else what load gives. An error of
	// load is handed on, to callers of the same group alone; an error of the
	// cache is none.
	Fetch(ctx context.Context, key, group string, load func(context.Context) ([]byte, error)) (value []byte, hit bool, err error)
	// Forbid keeps everybody from reading and filling key until Replace or its
	// own end, which is later than that of the longest commit. The writers of
	// a key call it one after the other, in the order of their commits.
	Forbid(ctx context.Context, key string) (token string, err error)
	// Replace puts value in the place of the token. It leaves another token
	// alone, and removes anything else.
	Replace(ctx context.Context, key, token string, value []byte) error
	// Drop removes what can be read under key. Whoever has a token there
	// cannot put a value in its place any more.
	Drop(ctx context.Context, key string) error
	// Lag is how long the cache may still be read somewhere after an
	// invalidation was recorded.
	Lag() time.Duration
}

// Service is the catalogue's use cases. All methods are safe for concurrent
// use, end within three seconds when PostgreSQL does not answer, at the beginning
// or at any later step, and give [product.ErrUnavailable] then. A cache out of reach is no
// error where PostgreSQL answers in time. A write that gave ErrUnavailable may have
// been done.
type Service struct {
	store  *postgres.DB
	cache  Cache
	url    func(key string) string
	log    *logrus.Logger
	outbox *outbox.Store
	events *event.Log
}

// NewService returns the catalogue. url returns the public URL of an object's key.
func New(store *postgres.DB, outbox *outbox.Store, events *event.Log, cache Cache, url func(key string) string, log *logrus.Logger) *Service {
	return &Service{store: store, outbox: outbox, events: events, cache: cache, url: url, log: log}
}

// Create stores a product with its images, which are pending then. The request may be
// repeated: replayed reports that the product is the one that the first request with the
// key made, as it was then. Errors: [*product.ValidationError], [product.ErrKeyReused], [product.ErrKeyInProgress]. After [product.ErrUnavailable]
// and the end of ctx the product may be there or not; repeating the call tells.
// After any other error nothing has been stored, the key included.
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

// newImages makes pending images at consecutive positions, and their jobs.
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

// load reads a product within tx.
func (s *Service) load(ctx context.Context, tx *sqlx.Tx, scope product.Scope, id int64) (product.Snapshot, error) {
	row, err := selectProduct(ctx, tx, scope, id)
	if err != nil {
		return product.Snapshot{}, err
	}
	images, err := selectImages(ctx, tx, id)
	if err != nil {
		return product.Snapshot{}, err
	}
	return s.snapshot(row, images)
}

// Get gives the product, or [product.ErrNotFound] where the scope has none such.
func (s *Service) Get(ctx context.Context, scope product.Scope, id int64) (product.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, postgres.ReadTimeout)
	defer cancel()
	key, err := s.cacheKey(ctx, id)
	if err != nil {
		return product.Snapshot{}, err
	}
	value, hit, err := s.cache.Fetch(ctx, key, scope.Group(), func(ctx context.Context) ([]byte, error) {
		read, err := s.read(ctx, scope, id)
		if err != nil {
			return nil, err
		}
		return cacheValue(read), nil
	})
	switch {
	case err == nil:
	case postgres.Translated(err), errors.Is(ctx.Err(), context.Canceled):
		return product.Snapshot{}, err
	default: // the load was waited for in vain
		return product.Snapshot{}, fmt.Errorf("get product: %w: %w", product.ErrUnavailable, err)
	}
	snapshot, ok := parseCacheValue(id, value)
	if !ok {
		s.log.WithField("product_id", id).Warn("cached value is not the product's")
		_ = s.cache.Drop(ctx, key) // the next reader fills it; a failure is counted there
		return s.read(ctx, scope, id)
	}
	if !scope.Covers(snapshot.Owner) {
		return product.Snapshot{}, fmt.Errorf("get product: %w", product.ErrForeign)
	}
	switch {
	case hit && !s.store.Reachable():
		snapshot.Source = product.FromCacheAlone
	case hit:
		snapshot.Source = product.FromCache
	}
	return snapshot, nil
}

// read gives the product from PostgreSQL.
func (s *Service) read(ctx context.Context, scope product.Scope, id int64) (read product.Snapshot, err error) {
	err = s.store.InSnapshot(ctx, "get product", func(ctx context.Context, tx *sqlx.Tx) error {
		read, err = s.load(ctx, tx, scope, id)
		return err
	})
	return read, err
}

// Delete removes a product and, later, its objects. Errors: [product.ErrNotFound],
// [product.ErrPrecondition].
func (s *Service) Delete(ctx context.Context, scope product.Scope, id int64, pre product.Precondition) error {
	_, err := s.Write(ctx, scope, id, "delete product", func(ctx context.Context, e *Edit) error {
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(e.Images))
		for i := range e.Images {
			ids[i] = e.Images[i].ID
		}
		if err := e.removeImages(ctx, ids); err != nil {
			return err
		}
		e.Changed, e.deleted = true, true
		return removeProduct(ctx, e.Tx, id)
	})
	return err
}

// snapshotOf makes a snapshot of the data that clients were shown.
func snapshotOf(data []byte) (product.Snapshot, error) {
	var head struct {
		ID      int64 `json:"id"`
		UserID  int64 `json:"user_id"`
		Version int64 `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return product.Snapshot{}, fmt.Errorf("first answer: %w", err)
	}
	return product.Snapshot{ID: head.ID, Owner: head.UserID, Version: head.Version, Data: data}, nil
}
