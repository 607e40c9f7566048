package product

import (
	"context"
	"errors"

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
) (ids []int64, page Page, err error) {
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
func ForgeCursor(f Filter, key string, id int64) string { return f.cursor(position{key, id}) }

// IDCursor makes a cursor of the lists that have one order.
var IDCursor = cursor

// Position gives what the filter's cursor says; ok is false where it is none of the
// filter's.
func Position(f Filter) (key string, id int64, ok bool) {
	p, fault := f.position()
	if p == nil || fault != nil {
		return "", 0, false
	}
	return p.key, p.id, true
}

// ExplainJobClaim claims jobs, gives what that took as EXPLAIN tells it in JSON, and
// undoes it.
func ExplainJobClaim(ctx context.Context, s *Store, after int64, limits JobLimits) (plan []byte, err error) {
	q, args, err := s.db.BindNamed(`EXPLAIN (ANALYZE, FORMAT JSON)`+claimQuery, claimArgs(uuid.New(), jobClaim{after: after, limits: limits}))
	if err != nil {
		return nil, err
	}
	undo := errors.New("undone")
	err = s.inTx(ctx, "explain", func(ctx context.Context, tx *sqlx.Tx) error {
		return errors.Join(undo, takeTurn(ctx, tx), tx.GetContext(ctx, &plan, q, args...))
	})
	if plan == nil {
		return nil, err
	}
	return plan, nil
}

// PublishJobs is the handler of the job relay.
var PublishJobs = publishJobs

// Free tells the job relay what a worker tells it.
func (s *Store) Free() { s.free() }
