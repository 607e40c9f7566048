package product

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/imaging"
)

// Reprocessing is what a call of [Service.Reprocess] has begun, in images.
type Reprocessing struct {
	Reworks   int // ready ones that are looked at again; they stay ready all the while
	Restarted int // failed ones that are begun anew
	Pending   int // under way anyhow
}

// Reprocess asks the sources of a product's ready images again, and makes those
// anew that have changed or whose variants are made in another way by now. Failed
// images are begun anew as [Service.RetryImage] does. What was asked for already and
// has not begun is not asked for twice. It also gives the product. Errors:
// [ErrNotFound], [ErrPrecondition].
func (s *Service) Reprocess(ctx context.Context, scope Scope, id int64, pre Precondition) (begun Reprocessing, after Snapshot, err error) {
	after, err = s.write(ctx, scope, id, "reprocess product", func(ctx context.Context, e *edit) error {
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		for i := range e.images {
			switch e.images[i].Status {
			case imaging.Ready:
				begun.Reworks++
			case imaging.Failed:
				if _, err := e.restart(ctx, e.images[i].ID, anyGeneration); err != nil {
					return err
				}
				begun.Restarted++
			default:
				begun.Pending++
			}
		}
		return reworkProduct(ctx, e.tx, id)
	})
	if err != nil {
		return Reprocessing{}, Snapshot{}, err
	}
	return begun, after, nil
}

// insertReworks is the end of the statements that ask for reworks of images: todo
// has to have the columns id and generation. Those that are asked for and not begun
// stay as they are.
const insertReworks = `,
	written AS (
		INSERT INTO outbox (kind, subject, payload, request_id)
		SELECT 'image_rework', id, jsonb_build_object('image_id', id, 'generation', generation, 'reason', 'reprocess'), $2
		FROM todo
		WHERE NOT EXISTS (
			SELECT 1 FROM outbox WHERE subject = todo.id AND kind = 'image_rework' AND payload ->> 'reason' = 'reprocess'
				AND cast(payload ->> 'generation' AS bigint) = todo.generation
				AND (claimed_until IS NULL OR claimed_until < statement_timestamp()))
		RETURNING kind
	)`

// reworkProduct asks for a rework of each ready image of a product.
func reworkProduct(ctx context.Context, tx *sqlx.Tx, id int64) error {
	const q = `
		WITH todo AS (SELECT id, generation FROM images WHERE product_id = $1 AND status = 'ready')` + insertReworks + `
		SELECT pg_notify('` + notifyChannel + `', 'image_rework') FROM (SELECT DISTINCT kind FROM written) AS due`
	if _, err := tx.ExecContext(ctx, q, id, RequestID(ctx)); err != nil {
		return fmt.Errorf("ask for reworks: %w", err)
	}
	return nil
}

// reprocessPage is how many images are looked at together.
const reprocessPage = 1000

// ReprocessAll asks for a rework of every ready image whose recipe is not the one
// given, or of every one where that is empty, and tells progress how many it has
// asked for so far. It goes through the images in pages, each a short transaction
// that locks none of them; when it ends early, the next call goes on with what is
// left.
func (s *Store) ReprocessAll(ctx context.Context, recipe string, progress func(total int)) error {
	const q = `
		WITH page AS (
			SELECT id, generation, status, recipe FROM images WHERE id > $1 ORDER BY id LIMIT $4
		), todo AS (
			SELECT id, generation FROM page
			WHERE status = 'ready' AND ($3 = '' OR recipe <> $3 AND NOT EXISTS (
				SELECT 1 FROM outbox WHERE subject = page.id AND kind = 'image_rework' AND payload ->> 'reason' = 'webp'))
		)` + insertReworks + `
		SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last, count(*) AS written,
			(SELECT pg_notify('` + notifyChannel + `', 'image_rework') FROM written LIMIT 1) AS notified
		FROM written`
	total := 0
	for after := (uuid.NullUUID{Valid: true}); after.Valid; {
		var page struct {
			Last     uuid.NullUUID `db:"last"`
			Written  int           `db:"written"`
			Notified *string       `db:"notified"`
		}
		err := s.inTx(ctx, "reprocess", func(ctx context.Context, tx *sqlx.Tx) error {
			return tx.GetContext(ctx, &page, q, after.UUID, RequestID(ctx), recipe, reprocessPage)
		})
		if pq.As(err, pqerror.UndefinedTable, pqerror.UndefinedColumn) != nil {
			return fmt.Errorf("the database is of an earlier release: start the service once, which brings it up to date: %w", err)
		}
		if err != nil {
			return err
		}
		after, total = page.Last, total+page.Written
		progress(total)
	}
	return nil
}
