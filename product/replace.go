package product

import (
	"context"
)

// Replace makes everything that clients write of a product equal to n: what n
// leaves empty becomes empty. Images whose source stays are kept as by
// [Service.Patch]. The owner of a product stays: n.UserID is theirs, or 0. Errors:
// [ErrNotFound], [ErrPrecondition], [ErrExternalIDTaken], [*ValidationError].
func (s *Service) Replace(ctx context.Context, scope Scope, id int64, n NewProduct, pre Precondition) (Snapshot, error) {
	if err := n.validateFields().err(); err != nil {
		return Snapshot{}, err
	}
	p := Patch{
		Name: &n.Name, Description: &n.Description, Price: &n.Price, Images: &n.Images,
		Metadata: replaced(n.Metadata), ExternalID: &n.ExternalID,
	}
	return s.write(ctx, scope, id, "replace product", func(ctx context.Context, e *edit) error {
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		if n.UserID != 0 && n.UserID != e.product.UserID {
			return invalid("user_id", "immutable", "is not the product's owner, who cannot be changed")
		}
		return e.apply(ctx, p)
	})
}
