package catalogue

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"vitrine/product"
)

// listQuery is a filter as SQL. Its statements contain only the given criteria, so that
// each is planned for them. Parameters are named.
type listQuery struct {
	db    sqlx.QueryerContext
	args  map[string]any
	where []string // conditions on the columns of products
	given criteria
	index sortIndex // the order of the list
	desc  bool
	paged bool // the page begins after a position
	limit int
	words indexable

	searched bool        // small is known
	small    *listSource // see smallest
}

// newListQuery returns the query of a valid filter. The filter's user has narrowed scope.
func newListQuery(db sqlx.QueryerContext, scope product.Scope, f product.Filter) (*listQuery, error) {
	f = f.Normal()
	field, desc := strings.CutPrefix(string(f.Order()), "-")
	l := &listQuery{db: db, args: make(map[string]any), index: sortIndexes[field], desc: desc, limit: f.Limit}
	if l.limit == 0 {
		l.limit = product.DefaultLimit
	}
	if owner, limited := scope.User(); limited {
		l.require(0, "user_id = cast(:owner AS bigint)", "owner", owner)
	}
	if f.ExternalID != "" {
		l.require(byExternalID, externalIDCondition, "external_id", f.ExternalID)
	}
	if f.MinPrice != nil {
		l.require(byPrice, "product_price >= cast(:min_price AS numeric)", "min_price", *f.MinPrice)
	}
	if f.MaxPrice != nil {
		l.require(byPrice, "product_price <= cast(:max_price AS numeric)", "max_price", *f.MaxPrice)
	}
	if f.Name != "" {
		l.require(byName, nameCondition, "name", "%"+escapeLike(f.Name)+"%")
	}
	if f.Query != "" {
		l.require(byQuery, queryCondition, "query", f.Query)
	}
	if f.ImageStatus != "" {
		l.require(byStatus, "image_status = cast(:image_status AS text)", "image_status", string(f.ImageStatus))
	}
	if f.CreatedAfter != nil {
		l.require(byCreated, "created_at > cast(:created_after AS timestamptz)", "created_after", *f.CreatedAfter)
	}
	if f.CreatedBefore != nil {
		l.require(byCreated, "created_at < cast(:created_before AS timestamptz)", "created_before", *f.CreatedBefore)
	}
	after, fault := f.Position()
	if fault != nil {
		return nil, product.Invalid("cursor", fault.Code, fault.Detail)
	}
	if after != nil {
		l.paged, l.args["after_key"], l.args["after_id"] = true, after.Key, after.ID
	}
	return l, nil
}

const (
	externalIDCondition = "external_id = cast(:external_id AS text)"
	nameCondition       = "product_name ILIKE cast(:name AS text)"
	queryCondition      = "search @@ websearch_to_tsquery('pg_catalog.english', cast(:query AS text))"
)

// require adds a condition with its value.
func (l *listQuery) require(part criteria, condition, name string, value any) {
	l.given |= part
	l.where = append(l.where, condition)
	l.args[name] = value
}

// walk returns the set of products in list order, from the beginning of the list or of the
// page.
func (l *listQuery) walk(paged bool) listSource {
	from := ""
	if paged && l.paged {
		from = l.beyond()
	}
	return l.index.read(l.args, l.desc, from)
}

// beyond returns the operator by which keys of later pages compare.
func (l *listQuery) beyond() string {
	if l.desc {
		return "<"
	}
	return ">"
}

// listed is a product of a page with its sort key.
type listed struct {
	productRow
	SortKey any `db:"sort_key"`
}

// page returns the matches among the first reads products of a set, at most one more than the
// limit. A subquery with a LIMIT is planned by itself: conditions outside it do not change
// which index is read, and no more is read than the page needs.
func (l *listQuery) page(ctx context.Context, s listSource, reads int) ([]listed, error) {
	var rows []listed
	q := "SELECT " + productColumns + ", sort_key FROM " + l.products(s) + l.selected(true) + " ORDER BY " + l.order(s) + " LIMIT :limit"
	err := l.read(ctx, &rows, q, map[string]any{"reads": reads, "limit": l.limit + 1})
	return rows, err
}

// products returns a table expression: the first :reads products of a set with sort keys.
func (l *listQuery) products(s listSource) string {
	const columns = productColumns + ", search"
	if s.table == "products" {
		return "(" + s.rows(columns+", "+l.index.key+" AS sort_key") + " LIMIT :reads) AS p"
	}
	of, key := "product_id", ", "+l.index.key+" AS sort_key"
	if len(s.order) > 0 {
		of, key = "product_id, user_id AS owner_id, updated_at AS sort_key", ""
	}
	// Without OFFSET the planner might replace the lookup by id.
	return "(" + s.rows(of) + " LIMIT :reads) AS s CROSS JOIN LATERAL (SELECT " + columns + key +
		" FROM products WHERE id = s.product_id OFFSET 0) AS p"
}

// order returns the list's ORDER BY, in the columns of the set if the set is ordered.
func (l *listQuery) order(s listSource) string {
	direction := ""
	if l.desc {
		direction = " DESC"
	}
	switch {
	case s.table == "products" || len(s.order) == 0:
		return directed([]string{"sort_key", "id"}, direction)
	case l.owned():
		return directed([]string{"owner_id", "sort_key", "product_id"}, direction)
	}
	return directed([]string{"sort_key", "product_id"}, direction)
}

// owned reports whether the list is limited to one user.
func (l *listQuery) owned() bool {
	_, owned := l.args["owner"]
	return owned
}

// selected returns the WHERE clause; with behind, it also excludes earlier pages.
func (l *listQuery) selected(behind bool) string {
	where := l.where
	if behind && l.paged {
		where = append(where[:len(where):len(where)], fmt.Sprintf("(sort_key, id) %s (cast(:after_key AS %s), cast(:after_id AS bigint))",
			l.beyond(), l.index.kind))
	}
	if len(where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(where, " AND ")
}

// last returns the position of the last of the first reads products of a walk, or nil if
// there are fewer.
func (l *listQuery) last(ctx context.Context, walk listSource, reads int) (*listed, error) {
	var rows []listed
	q := walk.rows(l.index.key+" AS sort_key, "+l.index.id+" AS id") + " LIMIT 1 OFFSET :skip"
	if err := l.read(ctx, &rows, q, map[string]any{"skip": reads - 1}); err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// size counts the products of a set, up to most.
func (l *listQuery) size(ctx context.Context, s listSource, most int) (int, error) {
	return l.count(ctx, "SELECT count(*) FROM ("+s.rows("")+" LIMIT :reads) AS found", most)
}

// matches counts the matches among the first reads products of a set.
func (l *listQuery) matches(ctx context.Context, s listSource, reads int) (int, error) {
	return l.count(ctx, "SELECT count(*) FROM "+l.products(s)+l.selected(false), reads)
}

func (l *listQuery) count(ctx context.Context, q string, reads int) (int, error) {
	var n []int
	if err := l.read(ctx, &n, q, map[string]any{"reads": reads}); err != nil {
		return 0, err
	}
	return n[0], nil
}

// read runs a statement with the parameters of the filter and further ones.
func (l *listQuery) read(ctx context.Context, rows any, q string, further map[string]any) error {
	for name, value := range further {
		l.args[name] = value
	}
	query, values, err := sqlx.Named(q, l.args)
	if err != nil {
		return fmt.Errorf("list query: %w", err)
	}
	if err := sqlx.SelectContext(ctx, l.db, rows, sqlx.Rebind(sqlx.DOLLAR, query), values...); err != nil {
		return fmt.Errorf("list query: %w", err)
	}
	return nil
}
