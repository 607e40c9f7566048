package catalogue

import (
	"context"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
)

// What the tests in package product_test see of the lists.
const (
	ReadLimit  = readLimit
	CountLimit = countLimit
)

// ListThrough reads a page as List does, with its statements sent through the queryer
// that through returns for the transaction. It returns the ids of the page's products.
func (s *Service) ListThrough(
	ctx context.Context, scope product.Scope, f product.Filter, through func(sqlx.QueryerContext) sqlx.QueryerContext,
) (ids []int64, page product.Page, err error) {
	if err := f.Validate(); err != nil {
		return nil, product.Page{}, err
	}
	err = s.store.InSnapshot(ctx, "list products", func(ctx context.Context, tx *sqlx.Tx) error {
		found, err := selectListing(ctx, through(tx), scope, f)
		for i := range found.products {
			ids = append(ids, found.products[i].ID)
		}
		page = found.page
		return err
	})
	return ids, page, err
}
