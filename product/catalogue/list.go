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
	// glance is how many products are read in the order of the list before it is
	// asked whether there is a better way.
	glance = 1_000
	// readLimit is how many are read at most, in that way or in another.
	readLimit = 5_000
	// countLimit is how many are counted at most where an index knows that all of them
	// match.
	countLimit = 10_000
)

// List gives a page of the products that match. Whoever follows Next to the end gets
// every product that matches and stays as it is meanwhile, once: those that are
// created, changed or deleted neither repeat nor hide others. A product that changes
// may come again, or not at all, where its place in the order moves.
//
// No page reads more than some thousand products. Where those that match are rarer
// than that and no index gives them alone, a page has fewer than the limit, even
// none, and HasMore still says truly whether to go on. It does not come to that where
// the owner has, or any one part of the filter selects, up to 5,000 products.
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

// listing is a page before its items are written.
type listing struct {
	page     product.Page
	products []productRow
	images   map[int64][]ImageRow
}

// selectListing reads the page of a valid filter, for the products in scope alone.
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

// find gives the products of the page, and where the next one begins if there may
// be one.
//
// Few products have the same external id: their set is read at once. Most other filters match often enough for a page to be full soon when products are read
// in the order of the list. Where one does not, the set of a part of it that is small
// is read whole and sorted. Where there is none, what the first readLimit products
// have is the page.
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

// look gives the page's products among the first reads ones of a walk.
func (l *listQuery) look(ctx context.Context, walk listSource, reads int) ([]listed, *listed, error) {
	rows, err := l.page(ctx, walk, reads)
	if err != nil || len(rows) > l.limit || l.covered(walk) {
		return l.cut(rows, nil, err)
	}
	end, err := l.last(ctx, walk, reads)
	return l.cut(rows, end, err)
}

// cut takes the product beyond the limit off a page: then the next one begins behind
// the last that is left, otherwise at end.
func (l *listQuery) cut(rows []listed, end *listed, err error) ([]listed, *listed, error) {
	if err != nil || len(rows) <= l.limit {
		return rows, end, err
	}
	return rows[:l.limit], &rows[l.limit-1], nil
}

// total counts what matches on all pages together, of which the page has seen some.
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

// selectImagesOf gives the images of several products.
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
		return nil, fmt.Errorf("images of page: %w", err)
	}
	images := make(map[int64][]ImageRow, len(products))
	for _, r := range rows {
		images[r.ProductID] = append(images[r.ProductID], r.ImageRow)
	}
	return images, nil
}

// escapeLike takes the meaning from the wildcards of LIKE.
func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
