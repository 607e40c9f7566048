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

// Patch changes a product. Images are matched by their URL, each as often as it
// stands in the list: an image whose URL stays keeps its id, state and work done,
// also at another position; the others are removed, and new URLs begin as
// pending. A patch that changes nothing keeps the version. Errors:
// [product.ErrNotFound], [product.ErrPrecondition], [product.ErrExternalIDTaken], [*product.ValidationError].
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

// apply makes the changes of a valid patch.
func (e *Edit) apply(ctx context.Context, p product.Patch) error {
	row := &e.Product
	if p.Name != nil && *p.Name != row.Name {
		row.Name, e.Changed = *p.Name, true
	}
	if p.Description != nil && *p.Description != row.Description {
		row.Description, e.Changed = *p.Description, true
	}
	// 1.50 instead of 1.5 is a difference that clients see.
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

// setImages makes the product's images those of sources, in that order.
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
		return fmt.Errorf("set images: %d instead of %d", len(e.Images), len(sources))
	}
	return nil
}

// matchImages finds for every source the image that has it already, the first
// one first, and gives the new positions of those that move, the images to be
// added (without ids) and the ids of those that are left over.
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

// setMetadata changes the product's metadata. That a patch leaves it with too
// many keys can only be seen here.
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
