package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"vitrine/product"
)

const (
	// glance is how many products are read in list order before a smaller set is looked
	// for.
	glance = 1_000
	// readLimit is how many products a page reads at most.
	readLimit = 5_000
	// countLimit is how many products are counted at most when an index selects exactly
	// the matching ones.
	countLimit = 10_000
)

// List returns a page of the matching products. A client that follows Next to the end gets
// every matching product that does not change meanwhile exactly once, whatever happens to the
// others. A product whose position in the order changes may be listed twice or not at all.
//
// A page reads at most a few thousand products. If fewer of them match and no index selects
// the matching ones, the page has fewer products than the limit, perhaps none; HasMore still
// reports whether to continue. This cannot happen if the owner has, or any one criterion of
// the filter selects, at most 5,000 products.
//
// The error may be a [*product.ValidationError].
func (s *Service) List(ctx context.Context, scope product.Scope, f product.Filter) (product.Page, error) {
	if err := f.Validate(); err != nil {
		return product.Page{}, err
	}
	var found listing
	err := s.store.InSnapshot(ctx, "list products", func(ctx context.Context, tx *sqlx.Tx) (err error) {
		found, err = selectListing(ctx, tx, scope, f)
		return err
	})
	if err != nil {
		return product.Page{}, err
	}
	found.page.Items = make([]json.RawMessage, 0, len(found.products))
	for _, p := range found.products {
		data, err := s.encode(p, found.images[p.ID])
		if err != nil {
			return product.Page{}, err
		}
		found.page.Items = append(found.page.Items, data)
	}
	return found.page, nil
}

// listing is a page before its items are encoded.
type listing struct {
	page     product.Page
	products []productRow
	images   map[int64][]ImageRow
}

// selectListing reads the page of a valid filter among the products in scope.
func selectListing(ctx context.Context, db sqlx.QueryerContext, scope product.Scope, f product.Filter) (found listing, err error) {
	scope, some := scope.Narrow(f.UserID)
	if !some {
		if f.Total {
			found.page.Total = &product.Total{Exact: true}
		}
		return found, nil
	}
	l, err := newListQuery(db, scope, f)
	if err != nil {
		return listing{}, err
	}
	if err := l.prepare(ctx); err != nil {
		return listing{}, err
	}
	rows, next, err := l.find(ctx)
	if err != nil {
		return listing{}, err
	}
	for i := range rows {
		found.products = append(found.products, rows[i].productRow)
	}
	if next != nil {
		key, err := product.FormatSortKey(next.SortKey)
		if err != nil {
			return listing{}, err
		}
		found.page.HasMore, found.page.Next = true, f.CursorAt(product.ListPosition{Key: key, ID: next.ID})
	}
	if f.Total {
		if found.page.Total, err = l.total(ctx, len(rows)); err != nil {
			return listing{}, err
		}
	}
	found.images, err = selectImagesOf(ctx, db, found.products)
	return found, err
}

// find returns the products of the page, and the position after which the next page begins,
// or nil on the last page.
//
// Few products have the same external id, so they are read at once. With most other filters,
// reading products in list order fills a page soon. If it does not, find reads and sorts the
// whole set of a criterion that selects few products. If no criterion does, the page has the
// matches among the first readLimit products.
func (l *listQuery) find(ctx context.Context) ([]listed, *listed, error) {
	walk := l.walk(true)
	if l.given&byExternalID == 0 {
		rows, next, err := l.look(ctx, walk, glance)
		if err != nil || len(rows) == l.limit || next == nil {
			return rows, next, err
		}
	}
	small, err := l.smallest(ctx)
	if err != nil {
		return nil, nil, err
	}
	if small != nil {
		rows, err := l.page(ctx, *small, readLimit)
		return l.cut(rows, nil, err)
	}
	return l.look(ctx, walk, readLimit)
}

// look returns the page's products among the first reads products of a walk.
func (l *listQuery) look(ctx context.Context, walk listSource, reads int) ([]listed, *listed, error) {
	rows, err := l.page(ctx, walk, reads)
	if err != nil || len(rows) > l.limit || l.covered(walk) {
		return l.cut(rows, nil, err)
	}
	end, err := l.last(ctx, walk, reads)
	return l.cut(rows, end, err)
}

// cut removes the product beyond the limit from a page. The next page then begins after the
// last product left, and otherwise after end.
func (l *listQuery) cut(rows []listed, end *listed, err error) ([]listed, *listed, error) {
	if err != nil || len(rows) <= l.limit {
		return rows, end, err
	}
	return rows[:l.limit], &rows[l.limit-1], nil
}

// total counts the matches on all pages together; seen are on this page.
func (l *listQuery) total(ctx context.Context, seen int) (*product.Total, error) {
	for _, s := range append(l.gatherable(), l.everything()) {
		if l.covered(s) {
			n, err := l.size(ctx, s, countLimit+1)
			return &product.Total{Count: min(n, countLimit), Exact: n <= countLimit}, err
		}
	}
	small, err := l.smallest(ctx)
	if err != nil {
		return nil, err
	}
	if small != nil {
		n, err := l.matches(ctx, *small, readLimit)
		return &product.Total{Count: n, Exact: true}, err
	}
	n, err := l.matches(ctx, l.walk(false), readLimit)
	return &product.Total{Count: max(n, seen)}, err
}

// selectImagesOf returns the images of several products.
func selectImagesOf(ctx context.Context, db sqlx.QueryerContext, products []productRow) (map[int64][]ImageRow, error) {
	if len(products) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(products))
	for i, p := range products {
		ids[i] = p.ID
	}
	const q = `
		SELECT product_id, ` + ImageColumns + `
		FROM images WHERE product_id = ANY (cast($1 AS bigint[]))
		ORDER BY product_id, position
		LIMIT 20 * $2`
	var rows []struct {
		ProductID int64 `db:"product_id"`
		ImageRow
	}
	if err := sqlx.SelectContext(ctx, db, &rows, q, pq.Array(ids), len(ids)); err != nil {
		return nil, fmt.Errorf("select images of page: %w", err)
	}
	images := make(map[int64][]ImageRow, len(products))
	for _, r := range rows {
		images[r.ProductID] = append(images[r.ProductID], r.ImageRow)
	}
	return images, nil
}

// escapeLike escapes the wildcards of LIKE.
func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
