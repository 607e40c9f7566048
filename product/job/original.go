package job

import (
	"context"
	"fmt"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// NeedsOriginalSQL is a condition on rows of images: WebP variants still have to be made
// from the original that the first processing kept.
const NeedsOriginalSQL = ` 'webp' = ANY (array_append(reprocess, reprocessing)) `

// deleteOriginal enqueues the deletion of the original that the first processing of the
// claim's image kept, unless another image of the product needs it.
func deleteOriginal(ctx context.Context, e *catalogue.Edit, c imaging.Claim) error {
	if _, uploaded := product.ParseUploadSource(c.Source); uploaded {
		return nil
	}
	const q = `
		SELECT EXISTS (SELECT 1 FROM images WHERE product_id = $1 AND source_sha256 = $2 AND id <> $3 AND ` + NeedsOriginalSQL + `)`
	var needed bool
	if err := e.Tx.GetContext(ctx, &needed, q, c.ProductID, c.Was.SourceSHA256, c.ImageID); err != nil {
		return fmt.Errorf("look up original: %w", err)
	}
	if !needed {
		e.Outbox = append(e.Outbox, catalogue.OriginalDeletion(c.ObjectKey, c.Was.SourceSHA256))
	}
	return nil
}
