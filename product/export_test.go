package product

import (
	"context"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// What the tests in package product_test see of the lists.
const (
	ReadLimit  = readLimit
	CountLimit = countLimit
)

// ListThrough reads a page as List does, with its statements sent through what
// through makes of the transaction, and gives the ids of its products.
func (s *Service) ListThrough(
	ctx context.Context, scope Scope, f Filter, through func(sqlx.QueryerContext) sqlx.QueryerContext,
) (ids []uuid.UUID, page Page, err error) {
	if err := f.Validate(); err != nil {
		return nil, Page{}, err
	}
	err = s.store.inSnapshot(ctx, "list products", func(ctx context.Context, tx *sqlx.Tx) error {
		found, err := selectListing(ctx, through(tx), scope, f)
		for i := range found.products {
			ids = append(ids, found.products[i].ID)
		}
		page = found.page
		return err
	})
	return ids, page, err
}

// ForgeCursor makes a cursor of the filter for any position.
func ForgeCursor(f Filter, key string, id uuid.UUID) string { return f.cursor(position{key, id}) }

// IDCursor makes a cursor of the lists that have one order.
var IDCursor = cursor

// Position gives what the filter's cursor says; ok is false where it is none of the
// filter's.
func Position(f Filter) (key string, id uuid.UUID, ok bool) {
	p, fault := f.position()
	if p == nil || fault != nil {
		return "", uuid.Nil, false
	}
	return p.key, p.id, true
}
