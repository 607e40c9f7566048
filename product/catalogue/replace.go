package catalogue

import (
	"context"

	"vitrine/product"
)

// Replace makes everything that clients write of a product equal to n: what n
// leaves empty becomes empty. Images whose source stays are kept as by
// [Service.Patch]. The owner of a product stays: n.UserID is theirs, or 0. Errors:
// [product.ErrNotFound], [product.ErrPrecondition], [product.ErrExternalIDTaken], [*product.ValidationError].
func (s *Service) Replace(ctx context.Context, scope product.Scope, id int64, n product.NewProduct, pre product.Precondition) (product.Snapshot, error) {
	if err := n.ValidateFields().Err(); err != nil {
		return product.Snapshot{}, err
	}
	p := product.Patch{
		Name: &n.Name, Description: &n.Description, Price: &n.Price, Images: &n.Images,
		Metadata: product.ReplaceMetadata(n.Metadata), ExternalID: &n.ExternalID,
	}
	return s.Write(ctx, scope, id, "replace product", func(ctx context.Context, e *Edit) error {
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		if n.UserID != 0 && n.UserID != e.Product.UserID {
			return product.Invalid("user_id", "immutable", "is not the product's owner, who cannot be changed")
		}
		return e.apply(ctx, p)
	})
}
