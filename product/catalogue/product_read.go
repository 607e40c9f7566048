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

// Get returns the product from the cache or from PostgreSQL, or [product.ErrNotFound] if the
// scope does not have it.
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
	default: // the wait for another caller's load timed out
		return product.Snapshot{}, fmt.Errorf("get product: %w: %w", product.ErrUnavailable, err)
	}
	snapshot, ok := parseCacheValue(id, value)
	if !ok {
		s.log.WithField("product_id", id).Warn("Cached value does not belong to the product")
		_ = s.cache.Drop(ctx, key) // the next reader fills it; the cache counts failures
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

// ErrVersionNotReached means that the product is older than the requested version.
var ErrVersionNotReached = errors.New("product has not reached the version")

// GetAtLeast returns the product in at least this version. If the cached value is older, it
// reads from PostgreSQL. It returns [ErrVersionNotReached] if the product is older there too,
// and the errors of [Service.Get].
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
		// The cache must never be behind. Drop the value; the cache counts failures.
		if key, err := s.cacheKey(ctx, id); err == nil {
			_ = s.cache.Drop(ctx, key)
		}
	}
	if latest.Version < version {
		return product.Snapshot{}, fmt.Errorf("product is at version %d, requested version is %d: %w", latest.Version, version, ErrVersionNotReached)
	}
	return latest, nil
}

// read returns the product from PostgreSQL.
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

// cacheKey returns the cache key of a product. Several installations may share a Redis server,
// so the key contains the installation, which is read from PostgreSQL once, at the latest
// before the cache is first used. Until then the error may be [product.ErrUnavailable].
func (s *Service) cacheKey(ctx context.Context, product int64) (string, error) {
	installation, err := s.store.InstallationID(ctx)
	return fmt.Sprintf("product:v1:%s:%d", installation, product), err
}

// cacheValue encodes a snapshot for the cache: a line "format id owner version", then the
// data.
func cacheValue(s product.Snapshot) []byte {
	b := make([]byte, 0, 100+len(s.Data))
	b = fmt.Appendf(b, "%s %d %d %d\n", cacheFormat, s.ID, s.Owner, s.Version)
	return append(b, s.Data...)
}

// parseCacheValue decodes a value that cacheValue encoded for id. It reports false for
// anything else, because other applications may write to a shared cache.
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
