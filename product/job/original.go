package job

import (
	"context"
	"fmt"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// needsOriginal is true of images whose WebP variants are still to be made from the
// original that their first processing kept.
const NeedsOriginal = ` 'webp' = ANY (array_append(reprocess, reprocessing)) `

// giveUpOriginal has the source deleted that the first processing of the claim's image has
// kept, unless another image of the product needs it.
func giveUpOriginal(ctx context.Context, e *catalogue.Edit, c imaging.Claim) error {
	if _, uploaded := product.ParseUploadSource(c.Source); uploaded {
		return nil
	}
	const q = `
		SELECT EXISTS (SELECT 1 FROM images WHERE product_id = $1 AND source_sha256 = $2 AND id <> $3 AND ` + NeedsOriginal + `)`
	var needed bool
	if err := e.Tx.GetContext(ctx, &needed, q, c.ProductID, c.Was.SourceSHA256, c.ImageID); err != nil {
		return fmt.Errorf("original: %w", err)
	}
	if !needed {
		e.Outbox = append(e.Outbox, catalogue.OriginalRow(c.ObjectKey, c.Was.SourceSHA256))
	}
	return nil
}
