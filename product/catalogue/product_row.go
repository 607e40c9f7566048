package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/postgres"
)

// productRow is a row of products.
type productRow struct {
	ID          int64               `db:"id"`
	ObjectKey   uuid.UUID           `db:"object_key"`
	UserID      int64               `db:"user_id"`
	Name        string              `db:"product_name"`
	Description string              `db:"product_description"`
	Price       product.Price       `db:"product_price"`
	Images      pq.StringArray      `db:"product_images"`
	Compressed  pq.StringArray      `db:"compressed_product_images"`
	Metadata    product.Metadata    `db:"metadata"`
	ExternalID  sql.NullString      `db:"external_id"`
	ImageStatus product.ImageStatus `db:"image_status"` // of the images as they were written last
	Version     int64               `db:"version"`
	CreatedAt   time.Time           `db:"created_at"`
	UpdatedAt   time.Time           `db:"updated_at"`
}

const productColumns = `id, object_key, user_id, product_name, product_description, product_price, product_images,
	compressed_product_images, image_status, metadata, external_id, version, created_at, updated_at`

// selectProduct gives the row of a product in the scope, or [product.ErrNotFound].
func selectProduct(ctx context.Context, tx *sqlx.Tx, scope product.Scope, id int64) (productRow, error) {
	const q = `SELECT ` + productColumns + ` FROM products
		WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR user_id = cast($2 AS bigint))`
	var row productRow
	if err := tx.GetContext(ctx, &row, q, id, scope.Owner()); err != nil {
		return productRow{}, fmt.Errorf("product: %w", err)
	}
	return row, nil
}

// lockProduct is selectProduct that keeps all other writers of the product out.
func lockProduct(ctx context.Context, tx *sqlx.Tx, scope product.Scope, id int64) (productRow, error) {
	const q = `SELECT ` + productColumns + ` FROM products
		WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR user_id = cast($2 AS bigint)) FOR UPDATE`
	var row productRow
	if err := tx.GetContext(ctx, &row, q, id, scope.Owner()); err != nil {
		return productRow{}, fmt.Errorf("lock product: %w", err)
	}
	return row, nil
}

// insertProduct stores a new product and returns its id. An unknown user is created
// with it if makeUser is set; otherwise it is a [*product.ValidationError].
//
// The foreign key is checked at the end of the statement, so it finds a user that the
// same statement has created, or that another transaction has committed meanwhile.
func insertProduct(ctx context.Context, tx *sqlx.Tx, n product.NewProduct, makeUser bool) (id int64, err error) {
	const q = `
		WITH owner AS (
			INSERT INTO users (id) SELECT $1 WHERE cast($10 AS boolean) ON CONFLICT (id) DO NOTHING
		), changed AS (
			INSERT INTO products (user_id, product_name, product_description, product_price, product_images, metadata, external_id, image_status)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $9)
			RETURNING id, user_id, version, updated_at
		), told AS (
			INSERT INTO event_inbox (` + event.Columns + `)
			SELECT cast($8 AS text), id, user_id, version, NULL, $9, updated_at FROM changed
		)
		SELECT id FROM changed`
	sources := pq.StringArray(n.Images)
	if sources == nil {
		sources = pq.StringArray{}
	}
	err = tx.GetContext(ctx, &id, q, n.UserID, n.Name, n.Description, n.Price, sources, n.Metadata, postgres.EmptyToNull(n.ExternalID),
		event.ProductCreated, initialStatus(n.Images), makeUser)
	if e := pq.As(err, pqerror.ForeignKeyViolation); e != nil && e.Constraint == "products_user_id_fkey" {
		return 0, product.UnknownUser()
	}
	if err != nil {
		return 0, fmt.Errorf("insert product: %w", uniqueExternalID(err))
	}
	return id, nil
}

// updateProduct writes a changed product as its next version, and tells the event
// log what changed.
func updateProduct(ctx context.Context, tx *sqlx.Tx, row *productRow, what change) error {
	const q = `
		WITH changed AS (
			UPDATE products SET product_name = $2, product_description = $3, product_price = $4, product_images = $5,
				compressed_product_images = $6, metadata = $7, external_id = $8, image_status = $11,
				version = version + 1, updated_at = clock_timestamp()
			WHERE id = $1
			RETURNING id, user_id, version, updated_at
		), told AS (
			INSERT INTO event_inbox (` + event.Columns + `)
			SELECT cast($9 AS text), id, user_id, version, cast($10 AS uuid), cast($11 AS text), updated_at FROM changed
		)
		SELECT version, updated_at FROM changed`
	err := tx.QueryRowxContext(ctx, q, row.ID, row.Name, row.Description, row.Price, row.Images, row.Compressed,
		row.Metadata, row.ExternalID, what.event, what.image, what.images).Scan(&row.Version, &row.UpdatedAt)
	if err != nil {
		return fmt.Errorf("update product: %w", uniqueExternalID(err))
	}
	return nil
}

// uniqueExternalID tells the one value that has to be unique from other errors.
func uniqueExternalID(err error) error {
	if e := pq.As(err, pqerror.UniqueViolation); e != nil && e.Constraint == "products_external_id_key" {
		return product.ErrExternalIDTaken
	}
	return err
}

// removeProduct deletes a product and tells the event log.
func removeProduct(ctx context.Context, tx *sqlx.Tx, id int64) error {
	const q = `
		WITH gone AS (DELETE FROM products WHERE id = $1 RETURNING id, user_id, version)
		INSERT INTO event_inbox (` + event.Columns + `)
		SELECT cast($2 AS text), id, user_id, version + 1, NULL, NULL, clock_timestamp() FROM gone`
	result, err := tx.ExecContext(ctx, q, id, event.ProductDeleted)
	if err != nil {
		return fmt.Errorf("delete product: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("delete product: %d rows", n), err)
	}
	return nil
}
