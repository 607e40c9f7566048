package catalogue

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Patch changes a product. Images are matched by source, each as often as it is listed: an
// image whose source stays keeps its id, state and variants, even at another position. Other
// images are removed, and new sources are added as pending images. A patch that changes
// nothing keeps the version. Errors: [product.ErrNotFound], [product.ErrPrecondition],
// [product.ErrExternalIDTaken], [*product.ValidationError].
func (s *Service) Patch(ctx context.Context, scope product.Scope, id int64, p product.Patch, pre product.Precondition) (product.Snapshot, error) {
	if err := p.Validate(); err != nil {
		return product.Snapshot{}, err
	}
	return s.Write(ctx, scope, id, "patch product", func(ctx context.Context, e *Edit) error {
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		return e.apply(ctx, p)
	})
}

// apply applies a valid patch.
func (e *Edit) apply(ctx context.Context, p product.Patch) error {
	row := &e.Product
	if p.Name != nil && *p.Name != row.Name {
		row.Name, e.Changed = *p.Name, true
	}
	if p.Description != nil && *p.Description != row.Description {
		row.Description, e.Changed = *p.Description, true
	}
	// Clients see the difference between 1.5 and 1.50.
	if p.Price != nil && p.Price.String() != row.Price.String() {
		row.Price, e.Changed = *p.Price, true
	}
	if p.ExternalID != nil && *p.ExternalID != row.ExternalID.String {
		row.ExternalID, e.Changed = postgres.EmptyToNull(*p.ExternalID), true
	}
	if err := e.setMetadata(p.Metadata); err != nil {
		return err
	}
	if p.Images == nil || slices.Equal(*p.Images, row.Images) {
		return nil
	}
	e.Changed = true
	return e.setImages(ctx, *p.Images)
}

// setImages changes the product's images to those of sources, in that order.
func (e *Edit) setImages(ctx context.Context, sources []string) error {
	moves, added, removed := matchImages(e.Images, sources)
	if err := nameListedUploads(ctx, e.Tx, e.Product.UserID, added, e.uploadsOf(removed)); err != nil {
		return err
	}
	if err := e.deleteImages(ctx, removed); err != nil {
		return err
	}
	if err := moveImages(ctx, e.Tx, moves); err != nil {
		return err
	}
	for i := range added {
		id, err := postgres.NewID()
		if err != nil {
			return err
		}
		added[i].ID = id
		e.Enqueue(added[i].ID, 1, outbox.PriorityFirst)
	}
	if err := insertImages(ctx, e.Tx, e.Product.ID, added); err != nil {
		return err
	}
	if err := e.reload(ctx); err != nil {
		return err
	}
	if len(e.Images) != len(sources) {
		return fmt.Errorf("set images: got %d, want %d", len(e.Images), len(sources))
	}
	return nil
}

// matchImages matches every source with the first image that has it and is not matched yet.
// It returns the new positions of images that move, the images to add (without ids), and the
// ids of images that match no source.
func matchImages(images []ImageRow, sources []string) (moves map[uuid.UUID]int, added []pendingImage, removed []uuid.UUID) {
	moves = make(map[uuid.UUID]int)
	bySource := make(map[string][]*ImageRow)
	for i := range images {
		bySource[images[i].Source] = append(bySource[images[i].Source], &images[i])
	}
	for position, source := range sources {
		candidates := bySource[source]
		if len(candidates) == 0 {
			added = append(added, pendingImage{position: position, source: source})
			continue
		}
		if candidates[0].Position != position {
			moves[candidates[0].ID] = position
		}
		bySource[source] = candidates[1:]
	}
	for _, left := range bySource {
		for _, r := range left {
			removed = append(removed, r.ID)
		}
	}
	return moves, added, removed
}

// setMetadata changes the product's metadata. Only here is it known whether a patch leaves too
// many keys.
func (e *Edit) setMetadata(p *product.MetadataPatch) error {
	if p == nil {
		return nil
	}
	changed := p.Apply(e.Product.Metadata)
	if maps.Equal(changed, e.Product.Metadata) {
		return nil
	}
	var f product.FieldErrors
	if f.CheckMetadataSize("metadata", changed); len(f) > 0 {
		return f.Err()
	}
	e.Product.Metadata, e.Changed = changed, true
	return nil
}

// Replace sets every writable field of a product to that of n; fields that n leaves empty
// become empty. Images whose source stays are kept as by [Service.Patch]. The owner cannot
// change: n.UserID is the owner or 0. Errors: [product.ErrNotFound],
// [product.ErrPrecondition], [product.ErrExternalIDTaken], [*product.ValidationError].
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
			return product.Invalid("user_id", "immutable", "must be the product's owner, which cannot change")
		}
		return e.apply(ctx, p)
	})
}
