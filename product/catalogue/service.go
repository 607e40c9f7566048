package catalogue

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

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
