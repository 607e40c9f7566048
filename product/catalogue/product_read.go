package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/postgres"
)

// Get gives the product, or [product.ErrNotFound] where the scope has none such.
func (s *Service) Get(ctx context.Context, scope product.Scope, id int64) (product.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, postgres.OperationTimeout+postgres.CutGrace)
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

// ErrVersionNotReached says that the product has no version as late as the one
// that was asked for.
var ErrVersionNotReached = errors.New("version is not reached")

// GetAtLeast is Get for a reader who knows that there is a version: whatever is
// older is read again from PostgreSQL, and [ErrVersionNotReached] if it is older
// even there.
func (s *Service) GetAtLeast(ctx context.Context, scope product.Scope, id int64, version int64) (product.Snapshot, error) {
	found, err := s.Get(ctx, scope, id)
	if err != nil || found.Version >= version {
		return found, err
	}
	latest, err := s.read(ctx, scope, id)
	if err != nil {
		return product.Snapshot{}, err
	}
	if found.Source != product.FromDatabase && latest.Version > found.Version {
		// It must not happen, and must not happen twice. A failure is counted there.
		if key, err := s.cacheKey(ctx, id); err == nil {
			_ = s.cache.Drop(ctx, key)
		}
	}
	if latest.Version < version {
		return product.Snapshot{}, fmt.Errorf("version %d, not %d: %w", latest.Version, version, ErrVersionNotReached)
	}
	return latest, nil
}

// read gives the product from PostgreSQL.
func (s *Service) read(ctx context.Context, scope product.Scope, id int64) (read product.Snapshot, err error) {
	err = s.store.InSnapshot(ctx, "get product", func(ctx context.Context, tx *sqlx.Tx) error {
		read, err = s.load(ctx, tx, scope, id)
		return err
	})
	return read, err
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

// cacheFormat is the first word of a cached value. It changes with its layout,
// so that replicas of two releases do not misread each other.
const cacheFormat = "3"

// cacheKey returns the key of a product in the cache. Ids are unique within one database
// only, and several installations may share a Redis server, so the key also names the
// installation. That is read from PostgreSQL once, at the latest before the cache is
// trusted for the first time; until then an error may be [product.ErrUnavailable].
func (s *Service) cacheKey(ctx context.Context, product int64) (string, error) {
	installation, err := s.store.InstallationID(ctx)
	return fmt.Sprintf("product:v1:%s:%d", installation, product), err
}

// cacheValue writes a snapshot as it is cached: a line "format id owner
// version", then the data.
func cacheValue(s product.Snapshot) []byte {
	b := make([]byte, 0, 100+len(s.Data))
	b = fmt.Appendf(b, "%s %d %d %d\n", cacheFormat, s.ID, s.Owner, s.Version)
	return append(b, s.Data...)
}

// parseCacheValue reads what cacheValue wrote for id. Anything else is refused:
// the cache is shared, and others may write to it.
func parseCacheValue(id int64, value []byte) (product.Snapshot, bool) {
	header, data, ok := bytes.Cut(value, []byte("\n"))
	words := bytes.Split(header, []byte(" "))
	if !ok || len(words) != 4 || string(words[0]) != cacheFormat || string(words[1]) != strconv.FormatInt(id, 10) {
		return product.Snapshot{}, false
	}
	owner, err := strconv.ParseInt(string(words[2]), 10, 64)
	if err != nil || owner < 1 {
		return product.Snapshot{}, false
	}
	version, err := strconv.ParseInt(string(words[3]), 10, 64)
	if err != nil || version < 1 || len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return product.Snapshot{}, false
	}
	return product.Snapshot{ID: id, Owner: owner, Version: version, Data: data}, true
}
