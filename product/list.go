package product

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// List gives the products that match, newest first. Products that are created
// or deleted while a reader walks the pages neither repeat nor hide others. The
// error may be a [*ValidationError].
func (s *Service) List(ctx context.Context, scope Scope, f Filter) (Page, error) {
	if err := f.Validate(); err != nil {
		return Page{}, err
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	var products []productRow
	var images map[uuid.UUID][]imageRow
	var page Page
	err := s.store.inSnapshot(ctx, "list products", func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if products, err = selectPage(ctx, tx, scope, f); err != nil {
			return err
		}
		if len(products) > f.Limit {
			products = products[:f.Limit]
			page.HasMore, page.Next = true, cursor(products[f.Limit-1].ID)
		}
		images, err = selectImagesOf(ctx, tx, products)
		return err
	})
	if err != nil {
		return Page{}, err
	}
	page.Items = make([]json.RawMessage, 0, len(products))
	for _, p := range products {
		data, err := s.encode(p, images[p.ID])
		if err != nil {
			return Page{}, err
		}
		page.Items = append(page.Items, data)
	}
	return page, nil
}

// selectPage gives the page's products and one more, if there is one.
func selectPage(ctx context.Context, tx *sqlx.Tx, scope Scope, f Filter) ([]productRow, error) {
	after, err := parseCursor(f.Cursor)
	if err != nil {
		return nil, err
	}
	args := map[string]any{
		"owner": scope.owner(), "user_id": f.UserID, "min_price": f.MinPrice, "max_price": f.MaxPrice,
		"name": nil, "after": after, "limit": f.Limit + 1,
	}
	if f.Name != "" {
		args["name"] = "%" + escapeLike(f.Name) + "%"
	}
	// Every query is planned with its values, which leaves of each condition
	// what matters.
	const q = `
		SELECT ` + productColumns + `
		FROM products
		WHERE (cast(:owner AS uuid) IS NULL OR user_id = cast(:owner AS uuid))
			AND (cast(:user_id AS uuid) IS NULL OR user_id = cast(:user_id AS uuid))
			AND (cast(:min_price AS numeric) IS NULL OR product_price >= cast(:min_price AS numeric))
			AND (cast(:max_price AS numeric) IS NULL OR product_price <= cast(:max_price AS numeric))
			AND (cast(:name AS text) IS NULL OR product_name ILIKE cast(:name AS text))
			AND (cast(:after AS uuid) IS NULL OR id < cast(:after AS uuid))
		ORDER BY id DESC
		LIMIT :limit`
	query, values, err := tx.BindNamed(q, args)
	if err != nil {
		return nil, fmt.Errorf("list query: %w", err)
	}
	var rows []productRow
	if err := tx.SelectContext(ctx, &rows, query, values...); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return rows, nil
}

// selectImagesOf gives the images of several products.
func selectImagesOf(ctx context.Context, tx *sqlx.Tx, products []productRow) (map[uuid.UUID][]imageRow, error) {
	if len(products) == 0 {
		return nil, nil
	}
	ids := make([]string, len(products))
	for i, p := range products {
		ids[i] = p.ID.String()
	}
	const q = `
		SELECT product_id, ` + imageColumns + `
		FROM images WHERE product_id = ANY (cast($1 AS uuid[]))
		ORDER BY product_id, position
		LIMIT 20 * $2`
	var rows []struct {
		ProductID uuid.UUID `db:"product_id"`
		imageRow
	}
	if err := tx.SelectContext(ctx, &rows, q, pq.Array(ids), len(ids)); err != nil {
		return nil, fmt.Errorf("images of page: %w", err)
	}
	images := make(map[uuid.UUID][]imageRow, len(products))
	for _, r := range rows {
		images[r.ProductID] = append(images[r.ProductID], r.imageRow)
	}
	return images, nil
}

// escapeLike takes the meaning from the wildcards of LIKE.
func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
