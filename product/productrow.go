package product

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// productRow is a row of products.
type productRow struct {
	ID          uuid.UUID      `db:"id"`
	UserID      uuid.UUID      `db:"user_id"`
	Name        string         `db:"product_name"`
	Description string         `db:"product_description"`
	Price       Price          `db:"product_price"`
	Images      pq.StringArray `db:"product_images"`
	Compressed  pq.StringArray `db:"compressed_product_images"`
	ImageStatus ImageStatus    `db:"image_status"` // of the images as they were written last
	Version     int64          `db:"version"`
	CreatedAt   time.Time      `db:"created_at"`
	UpdatedAt   time.Time      `db:"updated_at"`
}

const productColumns = `id, user_id, product_name, product_description, product_price, product_images,
	compressed_product_images, image_status, version, created_at, updated_at`

// selectProduct gives the row of a product in the scope, or [ErrNotFound].
func selectProduct(ctx context.Context, tx *sqlx.Tx, scope Scope, id uuid.UUID) (productRow, error) {
	const q = `SELECT ` + productColumns + ` FROM products
		WHERE id = $1 AND (cast($2 AS uuid) IS NULL OR user_id = cast($2 AS uuid))`
	var row productRow
	if err := tx.GetContext(ctx, &row, q, id, scope.owner()); err != nil {
		return productRow{}, fmt.Errorf("product: %w", err)
	}
	return row, nil
}

// lockProduct is selectProduct that keeps all other writers of the product out.
func lockProduct(ctx context.Context, tx *sqlx.Tx, scope Scope, id uuid.UUID) (productRow, error) {
	const q = `SELECT ` + productColumns + ` FROM products
		WHERE id = $1 AND (cast($2 AS uuid) IS NULL OR user_id = cast($2 AS uuid)) FOR UPDATE`
	var row productRow
	if err := tx.GetContext(ctx, &row, q, id, scope.owner()); err != nil {
		return productRow{}, fmt.Errorf("lock product: %w", err)
	}
	return row, nil
}

// insertProduct stores a new product. An unknown user is a [*ValidationError].
func insertProduct(ctx context.Context, tx *sqlx.Tx, id uuid.UUID, n NewProduct) error {
	const q = `
		INSERT INTO products (id, user_id, product_name, product_description, product_price, product_images)
		VALUES ($1, $2, $3, $4, $5, $6)`
	sources := pq.StringArray(n.Images)
	if sources == nil {
		sources = pq.StringArray{}
	}
	_, err := tx.ExecContext(ctx, q, id, n.UserID, n.Name, n.Description, n.Price, sources)
	if e := pq.As(err, pqerror.ForeignKeyViolation); e != nil && e.Constraint == "products_user_id_fkey" {
		return errUnknownUser()
	}
	if err != nil {
		return fmt.Errorf("insert product: %w", err)
	}
	return nil
}

// updateProduct writes a changed product as its next version.
func updateProduct(ctx context.Context, tx *sqlx.Tx, row *productRow) error {
	const q = `
		UPDATE products SET product_name = $2, product_description = $3, product_price = $4, product_images = $5,
			compressed_product_images = $6, image_status = $7, version = version + 1, updated_at = clock_timestamp()
		WHERE id = $1
		RETURNING version, updated_at`
	err := tx.QueryRowxContext(ctx, q, row.ID, row.Name, row.Description, row.Price, row.Images, row.Compressed, row.ImageStatus).
		Scan(&row.Version, &row.UpdatedAt)
	if err != nil {
		return fmt.Errorf("update product: %w", err)
	}
	return nil
}

// errUnknownUser refuses a product for a user that does not exist, or not for the
// caller.
func errUnknownUser() error { return invalid("user_id", "unknown", "is not the id of a user") }

func removeProduct(ctx context.Context, tx *sqlx.Tx, id uuid.UUID) error {
	const q = `DELETE FROM products WHERE id = $1`
	result, err := tx.ExecContext(ctx, q, id)
	if err != nil {
		return fmt.Errorf("delete product: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("delete product: %d rows", n), err)
	}
	return nil
}
