package catalogue

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/product/event"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Cache stores byte strings under keys. A write of a product forbids the cached value before
// it commits.
type Cache interface {
	// Fetch returns the value under key, or the result of load if there is none. Errors
	// of load are returned, to callers of the same group only; errors of the cache are
	// not.
	Fetch(ctx context.Context, key, group string, load func(context.Context) ([]byte, error)) (value []byte, hit bool, err error)
	// Forbid puts a tombstone under key, which prevents reading and filling it until
	// Replace or until it expires, later than the longest commit can end. The writers of
	// a key call it one after the other, in the order of their commits.
	Forbid(ctx context.Context, key string) (token string, err error)
	// Replace replaces the tombstone that has the token with value. It leaves another
	// tombstone alone and removes anything else.
	Replace(ctx context.Context, key, token string, value []byte) error
	// Drop removes the value or tombstone under key. A Replace with that tombstone's
	// token then stores nothing.
	Drop(ctx context.Context, key string) error
	// Lag returns how long after an invalidation was recorded a replica may still read
	// the cache.
	Lag() time.Duration
}

// Service creates, reads, lists, changes and deletes products. All methods are safe for
// concurrent use. If PostgreSQL does not respond at any step, they return
// [product.ErrUnavailable] within three seconds; a write may have been committed all the
// same. They do not fail because the cache is unavailable.
type Service struct {
	store  *postgres.DB
	cache  Cache
	url    func(key string) string
	log    *logrus.Logger
	outbox *outbox.Store
	events *event.Log
}

// New returns a catalogue. url returns the public URL of an object from its key.
func New(store *postgres.DB, outbox *outbox.Store, events *event.Log, cache Cache, url func(key string) string, log *logrus.Logger) *Service {
	return &Service{store: store, outbox: outbox, events: events, cache: cache, url: url, log: log}
}
