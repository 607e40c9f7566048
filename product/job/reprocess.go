package job

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Reprocessing counts the images that a call of [Store.Reprocess] has reached.
type Reprocessing struct {
	Reprocessing int // ready ones that are checked again; they stay ready meanwhile
	Retrying     int // failed ones that are retried
	Pending      int // not settled yet: nothing changes for them
}

// Reprocess enqueues a check of the ready images of a product: variants are made again if
// the source has changed or their pipeline version is outdated. Failed images are retried
// as by [catalogue.Service.RetryImage]. A check that is already due is not added twice.
// Reprocess also returns the product. Errors: [product.ErrNotFound],
// [product.ErrPrecondition].
func (s *Store) Reprocess(ctx context.Context, scope product.Scope, id int64, pre product.Precondition) (counts Reprocessing, after product.Snapshot, err error) {
	after, err = s.catalogue.Write(ctx, scope, id, "reprocess product", func(ctx context.Context, e *catalogue.Edit) error {
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		var ready []uuid.UUID
		for i := range e.Images {
			switch e.Images[i].Status {
			case imaging.Ready:
				ready = append(ready, e.Images[i].ID)
			case imaging.Failed:
				if _, err := e.Retry(ctx, e.Images[i].ID, catalogue.AnyGeneration); err != nil {
					return err
				}
				counts.Retrying++
			default:
				counts.Pending++
			}
		}
		counts.Reprocessing = len(ready)
		return e.Reprocess(ctx, imaging.ReasonReprocess, ready...)
	})
	if err != nil {
		return Reprocessing{}, product.Snapshot{}, err
	}
	return counts, after, nil
}

// reprocessPage is how many images are looked at together.
const reprocessPage = 1000

// ReprocessAll asks for reprocessing of every ready image whose pipeline version is not
// the one given, or of every ready image if version is empty. It calls progress with the
// number of images asked for so far. It goes through the images in pages, each a short
// transaction. If it ends early, the next call continues with what is left.
func ReprocessAll(ctx context.Context, s *postgres.DB, version string, progress func(total int)) error {
	// Images whose WebP variants are still to be made get the present version by that. The
	// products are locked in one order, as every writer of images locks its product first.
	const q = `
		WITH page AS MATERIALIZED (
			SELECT id, product_id, status, pipeline_version, reprocess, reprocessing FROM images WHERE id > $4 ORDER BY id LIMIT $5
		), wanted AS MATERIALIZED (
			SELECT id, product_id FROM page
			WHERE status = 'ready' AND NOT reprocess && ARRAY['reprocess', $1]
				AND ($6 = '' OR pipeline_version <> $6 AND NOT 'webp' = ANY (array_append(reprocess, coalesce(reprocessing, ''))))
		), locked AS MATERIALIZED (
			SELECT id FROM products WHERE id IN (SELECT product_id FROM wanted) ORDER BY id FOR NO KEY UPDATE
		), todo AS (
			SELECT wanted.id FROM wanted JOIN locked ON locked.id = wanted.product_id
		)` + catalogue.ReprocessSQL + `
		SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*) FROM asked) AS asked,
			(SELECT count(*) FROM notified) AS notified`
	total := 0
	for after := (uuid.NullUUID{Valid: true}); after.Valid; {
		var page struct {
			Last     uuid.NullUUID `db:"last"`
			Asked    int           `db:"asked"`
			Notified int           `db:"notified"`
		}
		err := s.InTx(ctx, "reprocess", func(ctx context.Context, tx *sqlx.Tx) error {
			return tx.GetContext(ctx, &page, q, string(imaging.ReasonPipeline), outbox.PriorityRoutine, product.RequestID(ctx),
				after.UUID, reprocessPage, version)
		})
		if pq.As(err, pqerror.UndefinedTable, pqerror.UndefinedColumn) != nil {
			return fmt.Errorf("the schema is not up to date; start the service once to update it: %w", err)
		}
		if err != nil {
			return err
		}
		after, total = page.Last, total+page.Asked
		progress(total)
	}
	return nil
}
